"""The schema of each method is fetched once, within limits: clients choose the names of methods."""

import asyncio
from collections.abc import Mapping

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from loom.api.summary import summarise
from loom.model import Call
from loom.publishing import Hub
from loom.recording.history import History
from loom.runtime.schema_prefetch import MAX_METHOD_LENGTH, SchemaPrefetch
from loom.runtime.tasks import Tasks
from loom.schema import Schema, SchemaError
from loom.schema.source import DescriptorSet


class BlockedSource:
    """A source that knows nothing, and says so when the test allows it."""

    name = "blocked"
    problems: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.symbols: list[str] = []
        self.began = asyncio.Semaphore(0)
        self.gate = asyncio.Event()

    async def fetch(self, symbol: str) -> DescriptorSet:
        self.symbols.append(symbol)
        self.began.release()
        await self.gate.wait()
        raise SchemaError(f"{symbol} is not known")

    def fill(self, files: Mapping[str, FileDescriptorProto]) -> list[FileDescriptorProto]:
        del files
        return []


def call(number: int, method: str) -> Call:
    return Call(number, method, 0, version=1)


async def test_fetches_in_flight_are_bounded() -> None:
    source, tasks, history = BlockedSource(), Tasks(), History()
    schema = Schema([source])
    prefetch = SchemaPrefetch(schema, tasks, history, Hub("one", summarise), max_fetches=3)
    calls = [call(number, f"/s{number}.S/M") for number in range(10)]
    prefetch.started(calls)
    for _ in range(3):
        await source.began.acquire()
    assert source.symbols == ["s0.S", "s1.S", "s2.S"]
    running = list(tasks._tasks)
    source.gate.set()
    await asyncio.gather(*running)
    prefetch.started(calls)
    await asyncio.gather(*tasks._tasks)
    assert source.symbols == [f"s{number}.S" for number in range(6)]
    await tasks.stop()
    await schema.close()


async def test_long_names_are_not_fetched() -> None:
    source, tasks = BlockedSource(), Tasks()
    schema = Schema([source])
    prefetch = SchemaPrefetch(schema, tasks, History(), Hub("one", summarise))
    prefetch.started([call(1, f"/s.{'x' * MAX_METHOD_LENGTH}/M")])
    assert not tasks._tasks
    await schema.close()
