"""The relay refuses calls while the process takes more memory than it may."""

import re
import sys
from collections.abc import Iterator

import grpc
import grpc.aio
import pytest

from loom.model import Address, EndedBy
from loom.process_memory import anonymous_bytes
from loom.proxy.relay.memory_guard import MemoryGuard
from tests.support.raw_calls import unary_unary
from tests.support.sinks import ListSink
from tests.support.zoo import SERVICE, Zoo

from .conftest import running_relay

MIB = 1 << 20


def guard(*usage: int) -> tuple[MemoryGuard, list[str]]:
    """A guard with a limit of 100 MiB over a process with these sizes, and what it released."""
    sizes: Iterator[int] = iter(usage)
    released: list[str] = []
    return MemoryGuard(
        100 * MIB, usage=lambda: next(sizes), release=lambda: released.append("free"), interval=0
    ), released


def test_a_process_within_its_limit_takes_calls() -> None:
    memory, released = guard(100 * MIB)
    assert (memory.problem(), released) == ("", [])


def test_free_memory_is_released_before_calls_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    memory, released = guard(101 * MIB, 90 * MIB, 150 * MIB, 120 * MIB, 150 * MIB, 110 * MIB, 80 * MIB)
    assert memory.problem() == ""
    assert released == ["free"]
    assert memory.problem() == "Loom takes 120 MiB of memory, and may take 100 MiB"
    assert memory.problem() == "Loom takes 110 MiB of memory, and may take 100 MiB"
    assert memory.problem() == ""
    assert caplog.messages == [
        "calls are refused: Loom takes 120 MiB of memory, and may take 100 MiB",
        "calls are accepted again",
    ]


def test_the_process_is_not_measured_for_every_call() -> None:
    sizes = iter([1])
    memory = MemoryGuard(100, usage=lambda: next(sizes), interval=1000)
    for _ in range(10):
        assert memory.problem() == ""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_memory_that_is_written_to_counts() -> None:
    before = anonymous_bytes()
    block = b"x" * (200 * MIB)
    assert 190 * MIB < anonymous_bytes() - before < 260 * MIB
    del block


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
async def test_a_call_is_refused_with_the_reason_and_not_forwarded(zoo: Zoo) -> None:
    sink = ListSink()
    async with (
        running_relay(Address("127.0.0.1", zoo.port), sink, memory_limit=1 * MIB) as (engine, _),
        grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await unary_unary(channel, SERVICE + "Unary")(b"x")
        [end] = await sink.ended()
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    pattern = r"Loom takes [\d.]+ MiB of memory, and may take 1.00 MiB: the call was not forwarded"
    assert re.fullmatch(pattern, refused.value.details() or "")
    assert (end.ended_by, end.note) == (EndedBy.LOOM, refused.value.details())
    assert zoo.seen == []
