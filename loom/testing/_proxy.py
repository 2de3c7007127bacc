"""A Loom in front of a server, for the length of a ``with`` or an ``async with``."""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self, TypedDict, TypeVar, Unpack

from loom.model import Address
from loom.model.interception import ActionKind
from loom.runtime.loom import Loom
from loom.runtime.settings import Settings

from ._call_log import CallLog
from ._holds import MESSAGE_POINTS, AsyncBreakpoint, Breakpoint, Points, ReleaseTime
from ._recorded_call import RecordedCall
from ._rules import ActingRule, FaultOptions, RuleOptions

_ANY_PORT = Address("127.0.0.1", 0)
_GRACE = 30.0  # seconds that a bounded wait may exceed its bound, on a machine that stalls

T = TypeVar("T")


class ProxyOptions(TypedDict, total=False):
    """The keyword arguments of both proxies and of the fixture ``loom_proxy_factory``; each may be left out."""

    engine: Literal["relay", "wire"]
    """How traffic is forwarded; ``relay`` by default."""
    proto: Sequence[str | Path]
    """``.proto`` files, or folders of them, that describe the messages; the target's reflection by default."""
    import_path: Sequence[str | Path]
    """Folders that imports of ``proto`` are found in."""
    protoset: Sequence[str | Path]
    """Files of serialised ``FileDescriptorSet`` messages that describe the messages."""
    tls: bool | None
    """Connect to the target over TLS; implied by the four options below."""
    cacert: str | Path | None
    """The PEM file of the roots that the target's certificate is checked against; the system's by default."""
    cert: str | Path | None
    """The PEM file of the client certificate shown to the target."""
    key: str | Path | None
    """The PEM file of that certificate's private key."""
    server_name: str | None
    """The name to check the target's certificate against."""
    page: bool
    """Serve the inspector, too: set a breakpoint in a test and look."""


def _settings(target: str, options: ProxyOptions) -> Settings:
    if unknown := options.keys() - ProxyOptions.__annotations__.keys():
        raise TypeError(f"unexpected keyword arguments: {', '.join(sorted(unknown))}")
    return Settings(
        target=Address.parse_target(target),
        engine=options.get("engine", "relay"),
        listen=_ANY_PORT,
        ui=_ANY_PORT if options.get("page") else None,
        session=None,
        proto=tuple(map(Path, options.get("proto", ()))),
        import_path=tuple(map(Path, options.get("import_path", ()))),
        protoset=tuple(map(Path, options.get("protoset", ()))),
        tls=options.get("tls"),
        cacert=_path(options.get("cacert")),
        cert=_path(options.get("cert")),
        key=_path(options.get("key")),
        server_name=options.get("server_name"),
        drain=0.5,
    )


def _path(value: str | Path | None) -> Path | None:
    return None if value is None else Path(value)


class AsyncLoomProxy:
    """A Loom in front of ``target`` (``HOST:PORT``), on a free port, in memory only, on the event loop of the test.

    It runs inside ``async with``. The constructor raises :class:`loom.errors.LoomError` if an argument is not valid.

    A ``query`` is a filter (docs/reference/filter.md) such as ``method:GetOrder status:NOT_FOUND meta:x-tenant=42``; an
    empty one matches every call.
    """

    _loom: Loom

    def __init__(self, target: str, **options: Unpack[ProxyOptions]) -> None:
        self._settings = _settings(target, options)
        self._log = CallLog()

    async def __aenter__(self) -> Self:
        self._loom = Loom(self._settings, observers=(self._log,), tune=False)
        await self._loom.start()
        self._log.attach(self._loom.schema, self._loom.descriptors)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._loom.stop()

    @property
    def address(self) -> str:
        """The address for the client under test: ``127.0.0.1:PORT``."""
        return str(self._loom.listen_address)

    @property
    def page_url(self) -> str | None:
        """The inspector's address, with ``page=True``."""
        return self._loom.page_url

    async def calls(self, query: str = "") -> list[RecordedCall]:
        """Return the calls that have ended so far, in that order."""
        self._loom.flush()
        return await self._log.calls(query)

    async def wait_for_call(self, query: str = "", *, timeout: float = 5.0) -> RecordedCall:  # noqa: ASYNC109 (a bound that callers know)
        """Return the next matching ended call that no earlier wait returned.

        Raises :class:`loom.testing.CallNotFound` if there is none within ``timeout`` seconds.
        """
        return (await self._log.wait(query, 1, timeout))[0]

    async def wait_for_calls(
        self,
        count: int,
        query: str = "",
        *,
        timeout: float = 5.0,  # noqa: ASYNC109 (as above)
    ) -> list[RecordedCall]:
        """Return the next ``count`` of them."""
        return await self._log.wait(query, count, timeout)

    async def assert_no_call(self, query: str = "") -> None:
        """Raise :class:`loom.testing.UnexpectedCall` if an ended call matches."""
        self._loom.flush()
        await self._log.assert_none(query)

    async def clear(self) -> None:
        """Forget the calls so far."""
        self._loom.flush()
        self._log.clear()

    def fault(self, match: str, **options: Unpack[FaultOptions]) -> ActingRule:
        """Return a fault for a ``with``, which acts on calls that match; see :class:`LoomProxy`'s."""
        return ActingRule(self._loom, ActionKind.FAULT, {"match": match, **options})

    def rule(self, match: str, *actions: Mapping[str, Any], **options: Unpack[RuleOptions]) -> ActingRule:
        """Return a rule for a ``with``, which acts on calls that match; see :class:`LoomProxy`'s."""
        table = {"match": match, "do": [dict(action) for action in actions], **options}
        return ActingRule(self._loom, ActionKind.RULE, table)

    def hold(
        self, match: str = "", *, point: Points = MESSAGE_POINTS, release: ReleaseTime = "deadline"
    ) -> AsyncBreakpoint:
        """Return a breakpoint for a ``with``, which holds items of calls that match; see :class:`LoomProxy`'s.

        ``await held.next()`` gets an item, ``await item.send()`` decides on it.
        """
        return AsyncBreakpoint(self._loom, match, point, release)

    def __str__(self) -> str:
        return self._log.text()


class LoomProxy:
    """:class:`AsyncLoomProxy` for tests without an event loop: it has one in a thread. It runs inside ``with``."""

    _thread: "_LoopThread"

    def __init__(self, target: str, **options: Unpack[ProxyOptions]) -> None:
        self._proxy = AsyncLoomProxy(target, **options)

    def __enter__(self) -> Self:
        self._thread = _LoopThread()
        try:
            self._thread.run(self._proxy.__aenter__())
        except BaseException:
            self._thread.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._thread.run(self._proxy.__aexit__(kind, error, trace))
        finally:
            self._thread.stop()

    @property
    def address(self) -> str:
        """The address for the client under test: ``127.0.0.1:PORT``."""
        return self._proxy.address

    @property
    def page_url(self) -> str | None:
        """The inspector's address, with ``page=True``."""
        return self._proxy.page_url

    def calls(self, query: str = "") -> list[RecordedCall]:
        """Return the calls that have ended so far, in that order."""
        return self._thread.run(self._proxy.calls(query))

    def wait_for_call(self, query: str = "", *, timeout: float = 5.0) -> RecordedCall:
        """Return the next matching ended call that no earlier wait returned.

        Raises :class:`loom.testing.CallNotFound` if there is none within ``timeout`` seconds.
        """
        return self._thread.run(self._proxy.wait_for_call(query, timeout=timeout), timeout + _GRACE)

    def wait_for_calls(self, count: int, query: str = "", *, timeout: float = 5.0) -> list[RecordedCall]:
        """Return the next ``count`` of them."""
        return self._thread.run(self._proxy.wait_for_calls(count, query, timeout=timeout), timeout + _GRACE)

    def assert_no_call(self, query: str = "") -> None:
        """Raise :class:`loom.testing.UnexpectedCall` if an ended call matches."""
        self._thread.run(self._proxy.assert_no_call(query))

    def clear(self) -> None:
        """Forget the calls so far."""
        self._thread.run(self._proxy.clear())

    def fault(self, match: str, **options: Unpack[FaultOptions]) -> ActingRule:
        """Return a fault, which acts within a ``with`` on calls that match::

            with proxy.fault("method:GetOrder", status="UNAVAILABLE", times=2) as fault:
                show_order(client(proxy.address), "o-17")
            assert fault.hits == 2

        ``options`` are the keys of a ``[[fault]]`` (docs/how-to/faults.md) with underscores, such as ``max_active``; a
        key that is a word of Python has one behind it (``for_``). Raises :class:`loom.errors.LoomError` if they are not
        valid.
        """
        return self._acting(self._proxy.fault(match, **options))

    def rule(self, match: str, *actions: Mapping[str, Any], **options: Unpack[RuleOptions]) -> ActingRule:
        """Return a rule, which acts within a ``with`` on calls that match::

            with proxy.rule("method:GetCart", {"delete": "coupon"}, when={"point": "response-message"}) as rule:
                show_cart(client(proxy.address))

        ``actions`` are those of a ``[[rule]]``'s ``do``, ``options`` its other keys, as for :meth:`fault`.
        """
        return self._acting(self._proxy.rule(match, *actions, **options))

    def hold(
        self, match: str = "", *, point: Points = MESSAGE_POINTS, release: ReleaseTime = "deadline"
    ) -> Breakpoint:
        """Return a breakpoint, which within a ``with`` holds items of calls that start in it and match::

            with proxy.hold("method:Chat", point="response-message") as held:
                start_chat(client(proxy.address))
                held.next().edit(text="late").send()

        ``point`` is one or several of ``start``, ``request-metadata``, ``request-message``, ``half-close``,
        ``response-metadata``, ``response-message`` and ``status``; messages of both directions by default. ``release``
        is when an item is sent automatically: shortly before the call's ``"deadline"``, ``"never"``, or after that many
        seconds. What is still held when the block is left is sent.
        """
        return Breakpoint(
            self._proxy.hold(match, point=point, release=release), self._thread.run, self._thread.run_function
        )

    def _acting(self, rule: ActingRule) -> ActingRule:
        return rule.on_thread(self._thread.run_function)

    def __str__(self) -> str:
        return str(self._proxy)


class LoomProxyFactory(Protocol):
    """The type of the fixture ``loom_proxy_factory``: it starts a proxy that runs until the test ends."""

    def __call__(self, target: str, **options: Unpack[ProxyOptions]) -> LoomProxy: ...


class _LoopThread:
    """A thread that runs an event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="loom-testing", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float = 60.0) -> T:
        """Run a coroutine there and return its result; ``timeout`` is in seconds."""
        future: concurrent.futures.Future[T] = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(timeout)
        except BaseException:
            future.cancel()
            raise

    def run_function(self, function: Callable[[], None]) -> None:
        """Run a function there."""

        async def call() -> None:
            function()

        self.run(call())

    def stop(self) -> None:
        """Cancel what still runs, and end the thread."""
        with contextlib.suppress(RuntimeError):
            self.run(_shutdown())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _shutdown() -> None:
    """Cancel the loop's other tasks, and close its generators and its executor."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    loop = asyncio.get_running_loop()
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()
