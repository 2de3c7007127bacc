"""A Loom around a target, for the length of a ``with`` or an ``async with``."""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

from loom.model import Address
from loom.runtime.loom import Loom
from loom.runtime.settings import Settings

from ._client import WatchedCall
from ._recorded import Passed

_ANY_PORT = Address("127.0.0.1", 0)
_SLACK = 30.0  # seconds that a bounded wait may take beyond its bound, on a machine that stands still

T = TypeVar("T")


def watch(
    target: str,
    *,
    proto: Sequence[str | Path] = (),
    import_path: Sequence[str | Path] = (),
    protoset: Sequence[str | Path] = (),
    tls: bool | None = None,
    cacert: str | Path | None = None,
    cert: str | Path | None = None,
    key: str | Path | None = None,
    server_name: str | None = None,
    page: bool = False,
) -> "Watch":
    """A Loom before ``target`` (``HOST:PORT``), on a free port, in memory only; it runs once the ``with`` is entered.

    Messages are decoded by the target's reflection, or by ``proto`` files (found through ``import_path``) and
    ``protoset`` files. ``tls`` and the four settings after it are about the connection to the target. ``page``
    serves the inspector, too: put a breakpoint in a test and look.
    """
    return Watch(
        Settings(
            target=Address.parse(target),
            listen=_ANY_PORT,
            ui=_ANY_PORT if page else None,
            session=None,
            proto=tuple(Path(item) for item in proto),
            import_path=tuple(Path(item) for item in import_path),
            protoset=tuple(Path(item) for item in protoset),
            tls=tls,
            cacert=_path(cacert),
            cert=_path(cert),
            key=_path(key),
            server_name=server_name,
            drain=0.5,
        )
    )


class LoomWatch(Protocol):
    """What the fixture ``loom_watch`` is: it takes what :func:`watch` takes, and the Loom runs until the test ends."""

    def __call__(
        self,
        target: str,
        *,
        proto: Sequence[str | Path] = (),
        import_path: Sequence[str | Path] = (),
        protoset: Sequence[str | Path] = (),
        tls: bool | None = None,
        cacert: str | Path | None = None,
        cert: str | Path | None = None,
        key: str | Path | None = None,
        server_name: str | None = None,
        page: bool = False,
    ) -> "WatchedLoom": ...


def _path(value: str | Path | None) -> Path | None:
    return None if value is None else Path(value)


class Watch:
    """What :func:`watch` gives: enter it with ``with`` for :class:`WatchedLoom`, with ``async with`` for the other."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread: _Thread | None = None
        self._running: AsyncWatchedLoom | None = None

    def __enter__(self) -> "WatchedLoom":
        self._thread = _Thread()
        try:
            self._running = self._thread.run(_start(self._settings))
        except BaseException:
            self._thread.stop()
            raise
        return WatchedLoom(self._running, self._thread)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None and self._running is not None:
            try:
                self._thread.run(self._running.stop())
            finally:
                self._thread.stop()

    async def __aenter__(self) -> "AsyncWatchedLoom":
        self._running = await _start(self._settings)
        return self._running

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running is not None:
            await self._running.stop()


async def _start(settings: Settings) -> "AsyncWatchedLoom":
    passed = Passed()
    loom = Loom(settings, observers=(passed,), tune=False)
    await loom.start()
    passed.attach(loom.schema, loom.descriptors)
    return AsyncWatchedLoom(loom, passed)


class AsyncWatchedLoom:
    """A running Loom on the loop of the test.

    A ``query`` is a filter (docs/filter.md) such as ``method:GetOrder status:NOT_FOUND meta:x-tenant=42``; an empty one
    matches every call.
    """

    def __init__(self, loom: Loom, passed: Passed) -> None:
        self._loom = loom
        self._passed = passed

    @property
    def address(self) -> str:
        """Where the client under test is to be pointed: ``127.0.0.1:PORT``."""
        return str(self._loom.listen_address)

    @property
    def page_url(self) -> str | None:
        """The inspector's address, with ``page=True``."""
        return self._loom.page_url

    async def calls(self, query: str = "") -> list[WatchedCall]:
        """The calls that have ended so far, in that order."""
        self._loom.settle()
        return await self._passed.calls(query)

    async def wait_for_call(self, query: str = "", *, timeout: float = 5.0) -> WatchedCall:  # noqa: ASYNC109 (a bound that callers know)
        """The next ended call that matches and that no wait has given before.

        :class:`loom.testing.CallNotSeen` if there is none within ``timeout`` seconds.
        """
        return (await self._passed.wait(query, 1, timeout))[0]

    async def wait_for_calls(self, count: int, query: str = "", *, timeout: float = 5.0) -> list[WatchedCall]:  # noqa: ASYNC109 (as above)
        """The next ``count`` of them."""
        return await self._passed.wait(query, count, timeout)

    async def assert_no_call(self, query: str = "") -> None:
        """:class:`loom.testing.UnexpectedCall` if a call that has ended matches."""
        self._loom.settle()
        await self._passed.refuse(query)

    async def clear(self) -> None:
        """Forget the calls so far."""
        self._loom.settle()
        self._passed.clear()

    async def stop(self) -> None:
        """End Loom; leaving the ``with`` does so."""
        await self._loom.stop()

    def __str__(self) -> str:
        return self._passed.text()


class WatchedLoom:
    """A running Loom in a thread of its own, for tests that do not run on a loop. See :class:`AsyncWatchedLoom`."""

    def __init__(self, running: AsyncWatchedLoom, thread: "_Thread") -> None:
        self._running = running
        self._thread = thread

    @property
    def address(self) -> str:
        """Where the client under test is to be pointed: ``127.0.0.1:PORT``."""
        return self._running.address

    @property
    def page_url(self) -> str | None:
        """The inspector's address, with ``page=True``."""
        return self._running.page_url

    def calls(self, query: str = "") -> list[WatchedCall]:
        """The calls that have ended so far, in that order."""
        return self._thread.run(self._running.calls(query))

    def wait_for_call(self, query: str = "", *, timeout: float = 5.0) -> WatchedCall:
        """The next ended call that matches and that no wait has given before.

        :class:`loom.testing.CallNotSeen` if there is none within ``timeout`` seconds.
        """
        return self._thread.run(self._running.wait_for_call(query, timeout=timeout), timeout + _SLACK)

    def wait_for_calls(self, count: int, query: str = "", *, timeout: float = 5.0) -> list[WatchedCall]:
        """The next ``count`` of them."""
        return self._thread.run(self._running.wait_for_calls(count, query, timeout=timeout), timeout + _SLACK)

    def assert_no_call(self, query: str = "") -> None:
        """:class:`loom.testing.UnexpectedCall` if a call that has ended matches."""
        self._thread.run(self._running.assert_no_call(query))

    def clear(self) -> None:
        """Forget the calls so far."""
        self._thread.run(self._running.clear())

    def __str__(self) -> str:
        return str(self._running)


class _Thread:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="loom-testing", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 60.0) -> T:
        """The result of a coroutine run there."""
        future: concurrent.futures.Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """End what still runs, and the thread."""
        with contextlib.suppress(RuntimeError):
            self.run(_settle())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _settle() -> None:
    """Cancel what is left on the loop, and what its executor and generators hold."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    loop = asyncio.get_running_loop()
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()
