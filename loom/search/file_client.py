"""Have a file of calls read in a process of its own, with a limit on memory."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

from loom.formats.call_file import CallFile
from loom.memory_limit import memory_limit
from loom.workers import WorkerDiedError, WorkerProcess

from .protocol import Failed, ImportAnswer, ImportEnd, ImportJob, import_answer_decoder
from .resumption import SearchError

_MEMORY_BYTES = 2 * 1024 * 1024 * 1024
_SHARE = 2


def import_memory_bytes() -> int:
    """How much memory the process may allocate: 2 GiB, or half of this process's memory limit if that is less."""
    limit = memory_limit()
    return _MEMORY_BYTES if limit is None else min(_MEMORY_BYTES, limit // _SHARE)


async def read_file(path: Path, memory_bytes: int | None = None) -> AsyncGenerator[ImportAnswer]:
    """Read a file of calls; ``memory_bytes`` is :func:`import_memory_bytes` if it is None.

    Closing the iterator ends the process. The calls are in the order of
    :func:`loom.formats.parent_order.parents_first`. Raises :class:`loom.errors.LoomError`.
    """
    name = await asyncio.to_thread(_check, path)
    job = ImportJob(path=str(name), memory_bytes=memory_bytes or import_memory_bytes())
    process: WorkerProcess | None = None
    try:
        process = await WorkerProcess.start("loom.search")
        await process.send(job)
        end = False
        while not end:
            answer = await process.receive(import_answer_decoder)
            if isinstance(answer, Failed):
                raise SearchError(answer.message)
            end = isinstance(answer, ImportEnd)
            yield answer
    except WorkerDiedError as death:
        raise SearchError(f"{path} cannot be read: the process that reads it died: {death}") from death
    finally:
        if process is not None:
            await process.kill()


def _check(path: Path) -> Path:
    """The path under which another process finds the file; :class:`LoomError` if it cannot be opened, or is a pipe."""
    with CallFile(path):
        # Names such as /dev/stdin mean another file in another process.
        return path.resolve() if path.parts[1:2] in {("dev",), ("proc",)} else path
