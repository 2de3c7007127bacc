"""Real calls of the mirror to export."""

import grpc
import pytest

from loom.model import Call
from tests.support.bench import Bench
from tests.support.mirror import thing


@pytest.fixture
async def calls(bench: Bench) -> list[Call]:
    """Unary, failed, server stream, compressed bidi with metadata of every sort."""
    await bench.call(
        "Say", [thing(text="Alice", big=9007199254740993)], metadata=(("authorization", "s3cret"),)
    )
    await bench.call("Say", [thing(flag=True)], metadata=(("mirror-code", "5"), ("x", "1"), ("x", "2")))
    await bench.call("Spread", [thing(data=bytes(range(256)))], metadata=(("t-bin", b"\x00\xff"),))
    packed = [thing(text=f"it's {index} ✓") for index in range(3)]
    await bench.call("Chat", packed, compression=grpc.Compression.Gzip, timeout=30)
    return list(bench.history)
