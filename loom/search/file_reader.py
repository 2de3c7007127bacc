"""Read a file of calls in the search process, under a memory limit."""

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

from loom.errors import LoomError
from loom.formats.call_file import CallFile
from loom.formats.parent_order import parents_first

from .batches import encode_calls
from .protocol import DescriptorInput, ImportAnswer, ImportedCalls, ImportEnd, ImportJob, ImportStart

if sys.platform != "win32":
    import resource

_MAX_PROBLEMS = 100


def read_file(job: ImportJob, send: Callable[[ImportAnswer], None]) -> None:
    """Send the content of a file of calls. Raises :class:`loom.errors.LoomError`."""
    _limit_memory(job.memory_bytes)
    try:
        with CallFile(Path(job.path)) as file:
            content = file.read()
            send(ImportStart(content.kind, content.masked))
            for events in encode_calls(parents_first(content.calls)):
                send(ImportedCalls(events))
    except MemoryError:
        raise LoomError(f"{job.path} needs more than {job.memory_bytes} bytes of memory to be read") from None
    descriptors = [
        DescriptorInput(item.file_set, item.target, item.source, item.origin, item.fetched_ns)
        for item in content.descriptors
    ]
    problems = content.problems[:_MAX_PROBLEMS]
    if len(content.problems) > _MAX_PROBLEMS:
        problems.append(f"and {len(content.problems) - _MAX_PROBLEMS} more")
    send(ImportEnd(descriptors, problems, content.fault_seeds))


def _limit_memory(memory_bytes: int) -> None:
    """Limit what this process may allocate from now on; not every system enforces it."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError, ValueError):
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, hard))
