"""C-core's threads: they answer whatever comes, and end when they are told to."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from loom.grpc_core.facade import (
    Batch,
    Channel,
    IncomingCall,
    Listener,
    ReceiveClose,
    ReceiveStatus,
    SendInitialMetadata,
    SendStatus,
    ignore,
)


class Answer:
    """A tag that a test can wait for."""

    def __init__(self) -> None:
        self._came = threading.Event()
        self.batch: Batch = None

    def __call__(self, batch: Batch) -> None:
        self.batch = batch
        self._came.set()

    async def wait(self) -> Batch:
        assert await asyncio.to_thread(self._came.wait, 20)
        return self.batch


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith(("channel to", "relay"))}


async def serving(on_call: Callable[[IncomingCall], None]) -> tuple[Listener, Channel]:
    listener = Listener([], on_call)
    port = listener.bind("127.0.0.1:0", None)
    assert port
    listener.start()
    return listener, Channel(f"127.0.0.1:{port}", [], None)


def opened(channel: Channel, answer: Answer) -> None:
    channel.call(
        b"/a.B/C",
        None,
        [
            ((SendInitialMetadata(()),), ignore),
            ((ReceiveStatus(),), answer),
        ],
    )


async def test_closing_cancels_what_is_under_way_and_leaves_no_thread() -> None:
    before = threads()
    held: list[IncomingCall] = []
    arrived, closed, ended = Answer(), Answer(), Answer()

    def hold(call: IncomingCall) -> None:
        held.append(call)
        call.start((ReceiveClose(),), closed)
        arrived(None)

    listener, channel = await serving(hold)
    opened(channel, ended)
    await arrived.wait()
    assert threads() > before
    await asyncio.to_thread(channel.close)
    assert (await ended.wait()).batch_operations[0].code() == 1
    assert (await closed.wait()).batch_operations[0].cancelled()
    held.clear()
    await listener.stop(10, lambda: pytest.fail("nothing was left to cut off"))
    assert threads() == before


async def test_a_channel_that_was_never_used_closes_without_a_connection() -> None:
    calls: list[IncomingCall] = []
    listener, channel = await serving(calls.append)
    await asyncio.to_thread(channel.close)
    await asyncio.to_thread(channel.close)  # again
    await listener.stop(0, lambda: None)
    assert not calls


async def test_a_tag_that_fails_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def answer(call: IncomingCall) -> None:
        operations = (SendInitialMetadata(()), SendStatus((), 5, "no"))
        call.start((ReceiveClose(),), ignore)
        call.start(operations, ignore)
        raise RuntimeError("a fault in the handler")

    listener, channel = await serving(answer)
    for _ in range(2):
        ended = Answer()
        opened(channel, ended)
        assert (await ended.wait()).batch_operations[0].details() == "no"
    await asyncio.to_thread(channel.close)
    await listener.stop(0, lambda: None)
    assert caplog.text.count("a fault in the handler") >= 2


async def test_an_address_that_cannot_be_had() -> None:
    listener, channel = await serving(lambda _call: None)
    await asyncio.to_thread(channel.close)
    assert listener is not None
    other = Listener([], lambda _call: None)
    assert other.bind("192.0.2.1:1", None) == 0
    other.start()
    await other.stop(0, lambda: None)
    await listener.stop(0, lambda: None)
