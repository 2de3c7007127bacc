"""A hundred concurrent calls to a fresh method with reflection that takes 50 ms: one fetch, and no call waits.

python -m benchmarks.schema
"""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import uvloop
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from loom.model import Address
from loom.runtime.loom import Loom
from loom.runtime.settings import Settings
from loom.schema import Schema, compile_protos
from loom.schema.reflection import ReflectionSource
from tests.support.raw_calls import unary_unary

CALLS = 100
DELAY = 0.05
PROTO = """syntax = "proto3"; package bench; message M { string text = 1; }
service Bench { rpc Echo(M) returns (M); }"""


class Backend(grpc.GenericRpcHandler):
    """Echoes on every method; reflection answers after :data:`DELAY`."""

    def __init__(self, files: list[bytes]) -> None:
        self.files = files
        self.exchanges = 0

    def service(self, handler_call_details: Any) -> Any:
        if "ServerReflection" in handler_call_details.method:
            return grpc.stream_stream_rpc_method_handler(
                self.reflect, ServerReflectionRequest.FromString, ServerReflectionResponse.SerializeToString
            )
        return grpc.stream_stream_rpc_method_handler(self.echo)

    async def echo(self, requests: Any, context: Any) -> None:
        async for message in requests:
            await context.write(message)

    async def reflect(self, requests: Any, context: Any) -> None:
        self.exchanges += 1
        async for _ in requests:
            await asyncio.sleep(DELAY)
            answer = ServerReflectionResponse()
            answer.file_descriptor_response.file_descriptor_proto.extend(self.files)
            await context.write(answer)


async def _calls(channel: grpc.aio.Channel, method: str) -> list[float]:
    async def one() -> float:
        start = time.perf_counter()
        await unary_unary(channel, method)(b"\x0a\x02hi")
        return time.perf_counter() - start

    return sorted(await asyncio.gather(*(one() for _ in range(CALLS))))


async def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        proto = Path(folder) / "bench.proto"
        proto.write_text(PROTO)
        files = [file.SerializeToString() for file in compile_protos([proto]).file]
    backend = Backend(files)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((backend,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(
        f"{CALLS} callers at once want a method that nobody knows yet; reflection takes {DELAY * 1000:.0f} ms"
    )
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await unary_unary(channel, "/bench.Bench/Echo")(b"")
        schema = Schema([ReflectionSource(lambda: channel, "backend")])
        start = time.perf_counter()
        await asyncio.gather(*(schema.method("/bench.Bench/Echo") for _ in range(CALLS)))
        took = time.perf_counter() - start
        await schema.close()
    print(f"  resolved by all after {took * 1000:.1f} ms with {backend.exchanges} exchange")
    exchanges = backend.exchanges

    waits: dict[bool, float] = {}
    for reflection in (False, True):
        settings = Settings(
            target=Address("127.0.0.1", port),
            listen=Address("127.0.0.1", 0),
            ui=None,
            session=None,
            reflection=reflection,
        )
        loom = Loom(settings)
        await loom.start()
        async with grpc.aio.insecure_channel(str(loom.listen_address)) as channel:
            await unary_unary(channel, "/warm.Up/Now")(b"")
            waits[reflection] = statistics.median(await _calls(channel, "/bench.Bench/Echo"))
        await loom.stop(grace=0)
    print(
        f"  median of {CALLS} concurrent calls through Loom: {waits[True] * 1000:.1f} ms with reflection, "
        f"{waits[False] * 1000:.1f} ms without (ratio {waits[True] / waits[False]:.2f})"
    )
    await server.stop(None)
    return 0 if exchanges == 1 else 1


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
