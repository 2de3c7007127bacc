"""How many connections clients may open: as many as the process has file descriptors for."""

import contextlib
import sys

if sys.platform != "win32":
    import resource

_GOAL = 65_536
"""Descriptors; the soft limit is raised to this where the hard one allows it."""
_RESERVED = 128
"""Descriptors for everything else: the inspector, the session, worker processes."""
_DEFAULT = 4096
"""Where the system has no such limit."""


def connection_limit(descriptors: int) -> int:
    """The number of connections from clients that leaves Loom enough descriptors, if each takes ``descriptors``."""
    if sys.platform == "win32":
        return _DEFAULT
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < _GOAL:
        soft_limit = _GOAL if hard == resource.RLIM_INFINITY else min(_GOAL, hard)
        with contextlib.suppress(OSError, ValueError):  # macOS refuses more than kern.maxfilesperproc
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft_limit, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    available = _GOAL if soft == resource.RLIM_INFINITY else min(soft, _GOAL)
    return max((available - _RESERVED) // descriptors, 16)
