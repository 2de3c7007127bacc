"""A client, Loom's relay with a history behind it, and the mirror, all on one loop."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import pytest

from loom.model import Address, Call, CallIds, CallState
from loom.proxy.relay import RelayEngine
from loom.proxy.target import Target
from loom.recording.history import History
from loom.recording.recorder import Recorder
from loom.schema import Schema
from loom.schema.reflection import ReflectionSource
from tests.support.call_observers import EndObserver
from tests.support.mirror import OPTIONS, SERVICE, Mirror, running_mirror

METADATA_LIMIT = 1 << 20


@dataclass
class Bench:
    """What a test of an action has in its hands."""

    mirror: Mirror
    history: History
    recorder: Recorder
    ids: CallIds
    engine: RelayEngine
    target: Target
    schema: Schema
    channel: grpc.aio.Channel
    listen: Address
    ended: EndObserver = field(default_factory=EndObserver)

    async def call(
        self,
        method: str,
        messages: Sequence[bytes],
        *,
        metadata: Sequence[tuple[str, str | bytes]] = (),
        timeout: float | None = None,  # noqa: ASYNC109 (the call's deadline)
        compression: grpc.Compression | None = None,
    ) -> Call:
        """Send messages to a method of the mirror through the relay; the recorded call once it has ended."""

        async def requests() -> AsyncIterator[bytes]:
            for message in messages:
                yield message

        before = self.history.last_id
        multi: Any = self.channel.stream_stream(f"/{SERVICE}/{method}")
        call = multi(requests(), metadata=metadata, timeout=timeout, compression=compression)
        try:
            async for _ in call:
                pass
        except grpc.aio.AioRpcError:
            pass
        return await self.recorded(before + 1)

    def flush(self) -> None:
        """Flush the engine's event buffer."""
        self.engine.flush()

    def allocate_id(self) -> int:
        """An id for a call that the test emits."""
        self.flush()
        return self.ids.allocate()

    async def recorded(self, call_id: int) -> Call:
        """The call of that id, once it has ended."""
        await self.ended.wait(call_id)
        call = self.history.get(call_id)
        assert call is not None
        assert call.state is CallState.ENDED
        return call


@asynccontextmanager
async def running_bench(mirror: Mirror, **target_options: Any) -> AsyncIterator[Bench]:
    """A relay to the mirror on a free port, and a channel to it."""
    ids, history, ended = CallIds(), History(), EndObserver()
    recorder = Recorder(history, [ended])
    target = Target(
        Address("127.0.0.1", mirror.port),
        target_options.get("tls"),
        target_options.get("authority"),
        METADATA_LIMIT,
    )
    schema = Schema([ReflectionSource(target.own_channel, mirror.address)])
    engine = RelayEngine(
        Address("127.0.0.1", 0), target, recorder, ids, server_tls=None, metadata_limit=METADATA_LIMIT
    )
    await engine.start()
    where = Address("127.0.0.1", engine.port)
    try:
        async with grpc.aio.insecure_channel(str(where), options=OPTIONS) as channel:
            yield Bench(mirror, history, recorder, ids, engine, target, schema, channel, where, ended)
    finally:
        await engine.stop(0)
        await schema.close()
        await target.close()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with running_mirror() as mirror, running_bench(mirror) as made:
        yield made
