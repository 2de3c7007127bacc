"""Time and threads for rules, by an asyncio event loop; types by a :class:`loom.schema.Schema` on it."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from loom.codec import ChainResolver
from loom.schema import Method, Schema, SchemaError

from .call_rules import Types

DEFAULT_SCHEMA_TIMEOUT = 1.0
"""How many seconds an item waits for the schema that a rule needs, by default."""


class LoopScheduler:
    """A :class:`.scheduler.Scheduler` on the running event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def now(self) -> float:
        return time.monotonic()

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        timer: list[asyncio.TimerHandle] = []
        is_cancelled = False

        def start() -> None:
            if not is_cancelled:
                timer.append(self._loop.call_later(seconds, callback))

        def cancel() -> None:
            nonlocal is_cancelled
            is_cancelled = True
            self._run_on_loop(stop)

        def stop() -> None:
            for handle in timer:
                handle.cancel()

        self._run_on_loop(start)
        return cancel

    def run_in_thread(self, callback: Callable[[], None]) -> None:
        self._run_on_loop(lambda: self._loop.run_in_executor(None, callback))

    def _run_on_loop(self, callback: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nothing goes on
            self._loop.call_soon_threadsafe(callback)


class SchemaTypes:
    """A :class:`.rule_interceptor.TypeLookup` in a schema, on the running event loop."""

    def __init__(self, schema: Schema, *, timeout: float = DEFAULT_SCHEMA_TIMEOUT) -> None:
        self._loop = asyncio.get_running_loop()
        self._schema = schema
        self._timeout = timeout
        self._tasks: set[asyncio.Task[None]] = set()

    def peek(self, method: str) -> Types | None:
        schema_method = self._schema.peek(method)
        return None if schema_method is None else self._types(schema_method, "")

    def fetch(self, method: str, callback: Callable[[Types], None]) -> None:
        def start() -> None:
            task = self._loop.create_task(self._fetch(method, callback))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        with contextlib.suppress(RuntimeError):  # the loop is closed: nothing goes on
            self._loop.call_soon_threadsafe(start)

    async def _fetch(self, method: str, callback: Callable[[Types], None]) -> None:
        callback(await self.wait(method))

    async def wait(self, method: str) -> Types:
        """The types, or after a bounded time why they are not known."""
        schema_method, problem = None, ""
        try:
            async with asyncio.timeout(self._timeout):
                schema_method = await self._schema.method(method)
        except TimeoutError:
            problem = f"its schema was not known within {self._timeout:g} s"
        except SchemaError as error:
            problem = str(error)
        return self._types(schema_method, problem)

    def _types(self, method: Method | None, problem: str) -> Types:
        built_in = self._schema.built_in_types.pool
        pools = [built_in] if method is None else [method.pool, built_in]
        return Types(method, ChainResolver(pools), problem)
