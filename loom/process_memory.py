"""The memory that this process takes, and how what is free of it goes back to the system."""

import contextlib
import ctypes
import os
from collections.abc import Callable
from pathlib import Path

_STATM = Path("/proc/self/statm")
_SLACK = 64 * 1024 * 1024


def anonymous_bytes() -> int:
    """The bytes of memory that this process takes beside files; 0 where that cannot be read (not Linux)."""
    try:
        _, resident, shared = _STATM.read_bytes().split()[:3]
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def release_free_memory() -> None:
    """Have the C library return what is free in its heaps to the system, where it can (malloc_trim(3))."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class FreeMemory:
    """Releases free memory once the process takes ``slack`` bytes more than was in use before.

    glibc keeps a heap for each few threads, and what is free in one is not used by another: with connections that come
    and go, a process would grow for hours. A release takes milliseconds, in which threads that allocate may wait.
    """

    def __init__(
        self,
        slack: int = _SLACK,
        *,
        usage: Callable[[], int] = anonymous_bytes,
        release: Callable[[], None] = release_free_memory,
    ) -> None:
        self._slack = slack
        self._usage = usage
        self._release = release
        self._in_use = 0

    def release_excess(self) -> None:
        """Release free memory if there may be enough of it. Blocks for milliseconds."""
        if self._usage() > self._in_use + self._slack:
            self._release()
            self._in_use = self._usage()
