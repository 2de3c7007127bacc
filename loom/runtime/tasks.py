"""Background work with an owner: cancelled and awaited at shutdown, and never silent when it fails."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

_log = logging.getLogger(__name__)


class Tasks:
    """Every background task of a running Loom is made here."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run ``work`` until it ends or :meth:`stop` is called; its failure is logged."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def every(self, seconds: float, work: Callable[[], None], name: str) -> None:
        """Call ``work`` about every ``seconds``; one failure does not stop the next call."""
        self.start(self._repeat(seconds, work, name), name)

    async def stop(self) -> None:
        """Cancel what still runs, and wait for it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _repeat(self, seconds: float, work: Callable[[], None], name: str) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                work()
            except Exception:  # noqa: BLE001 (logged; a broken tick must not end the feed)
                _log.exception("%s failed", name)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("background task %s failed", task.get_name(), exc_info=error)
