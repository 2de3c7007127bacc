"""A cgroup with a memory limit, where this user may make one: mostly root, with cgroups of either version."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_LIMITS = (
    (_ROOT / "memory", ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")),
    (_ROOT, ("memory.max", "memory.swap.max")),
)


class MemoryCgroup:
    """A cgroup at ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def program(self, *command: str) -> Sequence[str]:
        """A command that runs this one in the cgroup, under its own process id."""
        return ("sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self.path / "cgroup.procs"), *command)

    def kills(self) -> int:
        """How many processes the kernel has killed here for their memory."""
        for name in ("memory.oom_control", "memory.events"):
            with contextlib.suppress(OSError):
                for line in (self.path / name).read_text().splitlines():
                    if line.startswith("oom_kill "):
                        return int(line.split()[1])
        return 0

    def peak(self) -> int:
        """The most bytes that its processes have had, caches of files included."""
        for name in ("memory.max_usage_in_bytes", "memory.peak"):
            with contextlib.suppress(OSError):
                return int((self.path / name).read_text())
        return 0


@contextlib.contextmanager
def memory_cgroup(limit: int) -> Iterator[MemoryCgroup | None]:
    """Yield a cgroup of ``limit`` bytes, or None where it cannot be made; what runs in it at the end is killed."""
    path = _make(limit)
    if path is None:
        yield None
        return
    try:
        yield MemoryCgroup(path)
    finally:
        _remove(path)


def _make(limit: int) -> Path | None:
    for parent, (name, swap) in _LIMITS:
        path = parent / f"loom-{os.getpid()}"
        with contextlib.suppress(OSError):
            path.mkdir()
            try:
                (path / name).write_text(str(limit))
            except OSError:
                path.rmdir()
                raise
            with contextlib.suppress(OSError):  # a kernel that does not account for swap
                (path / swap).write_text("0" if name == "memory.max" else str(limit))
            return path
    return None


def _remove(path: Path) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        for pid in (path / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        try:
            path.rmdir()
        except OSError:  # until the processes are gone
            time.sleep(0)
        else:
            return
