"""The facade over C-core: its threads run every tag, survive errors, and end when they are stopped."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from loom.grpc_core.facade import (
    Channel,
    ReceiveClose,
    ReceiveMessage,
    ReceiveStatus,
    SendInitialMetadata,
    SendStatus,
    Server,
    ServerCall,
    ignore_completion,
)


class Completion:
    """A tag whose batch a test can wait for."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.batch: Any = None

    def __call__(self, batch: Any) -> None:
        self.batch = batch
        self._event.set()

    async def wait(self) -> Any:
        assert await asyncio.to_thread(self._event.wait, 20)
        return self.batch


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith(("channel to", "relay"))}


async def start_server(on_call: Callable[[ServerCall], None]) -> tuple[Server, Channel]:
    server = Server([], on_call)
    port = server.bind("127.0.0.1:0", None)
    assert port
    server.start()
    return server, Channel(f"127.0.0.1:{port}", [], None)


def open_call(channel: Channel, completion: Completion) -> None:
    channel.call(
        b"/a.B/C",
        None,
        [
            ((SendInitialMetadata(()),), ignore_completion),
            ((ReceiveStatus(),), completion),
        ],
    )


async def test_closing_a_channel_cancels_open_calls_and_ends_its_thread() -> None:
    before = threads()
    open_calls: list[ServerCall] = []
    arrived, closed, ended = Completion(), Completion(), Completion()

    def hold(call: ServerCall) -> None:
        open_calls.append(call)
        call.start((ReceiveClose(),), closed)
        arrived(None)

    server, channel = await start_server(hold)
    open_call(channel, ended)
    await arrived.wait()
    assert threads() > before
    await asyncio.to_thread(channel.close)
    assert (await ended.wait()).batch_operations[0].code() == 1
    assert (await closed.wait()).batch_operations[0].cancelled()
    open_calls.clear()
    await server.stop(10, lambda: pytest.fail("no call was left to cancel"))
    assert threads() == before


async def test_closing_an_unused_channel_makes_no_connection() -> None:
    calls: list[ServerCall] = []
    server, channel = await start_server(calls.append)
    await asyncio.to_thread(channel.close)
    await asyncio.to_thread(channel.close)  # closing twice does nothing
    await server.stop(0, lambda: None)
    assert not calls


async def test_an_error_in_a_tag_is_logged_and_the_thread_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(call: ServerCall) -> None:
        operations = (SendInitialMetadata(()), SendStatus((), 5, "no"))
        call.start((ReceiveClose(),), ignore_completion)
        call.start(operations, ignore_completion)
        raise RuntimeError("a bug in the handler")

    server, channel = await start_server(refuse)
    for _ in range(2):
        ended = Completion()
        open_call(channel, ended)
        assert (await ended.wait()).batch_operations[0].details() == "no"
    await asyncio.to_thread(channel.close)
    await server.stop(0, lambda: None)
    assert caplog.text.count("a bug in the handler") >= 2


async def test_an_address_that_cannot_be_bound() -> None:
    server, channel = await start_server(lambda _call: None)
    await asyncio.to_thread(channel.close)
    assert server is not None
    other = Server([], lambda _call: None)
    assert other.bind("192.0.2.1:1", None) == 0
    other.start()
    await other.stop(0, lambda: None)
    await server.stop(0, lambda: None)


async def test_batches_can_be_started_until_the_calls_have_ended() -> None:
    """After that C-core would abort the process: it does so if a batch meets a queue that is shut down."""
    calls: list[ServerCall] = []
    arrived, closed, read = Completion(), Completion(), Completion()

    def hold(call: ServerCall) -> None:
        calls.append(call)
        call.start((ReceiveClose(),), closed)
        arrived(None)

    server, channel = await start_server(hold)
    open_call(channel, Completion())
    await arrived.wait()
    await asyncio.to_thread(channel.close)
    await closed.wait()

    async def start_another() -> bool:
        calls.pop().start((ReceiveMessage(),), read)
        return True

    await server.stop(10, calls_ended=start_another)
    assert (await read.wait()).batch_operations[0].message() is None


def test_a_server_that_shuts_down_after_its_loop_has_closed_logs_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As when a second signal ends Loom while it drains, and its last call ends behind the event loop."""
    calls: list[ServerCall] = []
    arrived, closed = Completion(), Completion()

    def hold(call: ServerCall) -> None:
        calls.append(call)
        call.start((ReceiveClose(),), closed)
        arrived(None)

    async def interrupted_stop() -> tuple[Server, Channel]:
        server, channel = await start_server(hold)
        open_call(channel, Completion())
        await arrived.wait()
        stopping = asyncio.ensure_future(server.stop(1000))
        await asyncio.sleep(0)  # it waits
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
        return server, channel

    # In a thread of its own: on this one, the loop of pytest-asyncio would be replaced and never closed.
    with ThreadPoolExecutor(1) as pool:
        server, channel = pool.submit(asyncio.run, interrupted_stop()).result()
    channel.close()
    server._queue.shutdown()  # the thread ends behind what is in its queue
    server._thread.join(20)
    assert not server._thread.is_alive()
    assert "failed" not in caplog.text
