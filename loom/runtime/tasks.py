"""Background tasks: owned, cancelled and awaited at shutdown, logged when they fail."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

_log = logging.getLogger(__name__)


class Tasks:
    """The owner of every background task of a running Loom."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Start ``coroutine`` as a task, until it ends or :meth:`stop` is called; log its failure."""
        task = asyncio.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)
        return task

    def every(self, seconds: float, callback: Callable[[], None], name: str) -> None:
        """Call ``callback`` about every ``seconds``; a failure is logged and does not end the repetition."""
        self.start(self._repeat(seconds, callback, name), name)

    async def stop(self) -> None:
        """Cancel all tasks and wait for them."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _repeat(self, seconds: float, callback: Callable[[], None], name: str) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                callback()
            except Exception:  # noqa: BLE001 (logged; a broken tick must not end the feed)
                _log.exception("%s failed", name)

    def _on_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("background task %s failed", task.get_name(), exc_info=error)
