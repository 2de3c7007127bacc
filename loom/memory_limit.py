"""How much memory the system lets this process have: the limit of its cgroup, as containers and services set it."""

import contextlib
from pathlib import Path

from loom.units import format_bytes

_NO_LIMIT = 2**60
"""Bytes; cgroups of version 1 have a number where there is no limit, which is larger than this."""
_HISTORY_SHARE = 4
_TIGHT_SHARE = 2
DEFAULT_HISTORY_BYTES = 256 * 1024 * 1024


def memory_limit(root: Path = Path("/")) -> int | None:
    """The smallest limit, in bytes, of this process's memory cgroup and of those above it; None if there is none.

    Both versions of cgroups are read; on other systems than Linux there are none. ``root`` is where ``/proc`` and
    ``/sys`` are.
    """
    limits = []
    for directory, name in _cgroups(root):
        for folder in (directory, *directory.parents):
            with contextlib.suppress(OSError, ValueError):  # "max" is not a number
                limits.append(int((folder / name).read_text()))
            if folder.parent == root / "sys/fs":
                break
    limit = min(limits, default=_NO_LIMIT)
    return limit if limit < _NO_LIMIT else None


def _cgroups(root: Path) -> list[tuple[Path, str]]:
    """The directories of this process's cgroups that may limit memory, and the files in them that say so."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    mount = root / "sys/fs/cgroup"
    for line in lines:
        _, controllers, path = line.split(":", 2)
        # In a container the path may be that of the host, and the mount the container's own.
        if not controllers:
            found += [(mount / path.lstrip("/"), "memory.max"), (mount, "memory.max")]
        elif "memory" in controllers.split(","):
            version_1 = mount / "memory"
            found += [
                (version_1 / path.lstrip("/"), "memory.limit_in_bytes"),
                (version_1, "memory.limit_in_bytes"),
            ]
    return found


def history_budget(chosen: int | None, limit: int | None) -> int:
    """The bytes that calls in memory may take: ``chosen``, or else the default, within a memory limit."""
    if chosen is not None:
        return chosen
    return DEFAULT_HISTORY_BYTES if limit is None else min(DEFAULT_HISTORY_BYTES, limit // _HISTORY_SHARE)


def budget_problem(budget: int, limit: int | None) -> str:
    """A line that says that a budget of the history does not fit into the memory limit; "" if it does."""
    if limit is None or budget <= limit // _TIGHT_SHARE:
        return ""
    return (
        f"--history-bytes {format_bytes(budget)} is more than half of this cgroup's memory limit of"
        f" {format_bytes(limit)}: the system may kill Loom; choose at most {format_bytes(limit // _HISTORY_SHARE)}"
    )
