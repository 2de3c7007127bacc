"""Starting a child process without running fork handlers.

gRPC registers handlers with ``pthread_atfork``. They run in every child that is made with ``fork()``, where gRPC's
other threads do not exist, and crash some of them before they reach ``exec()``. ``vfork()`` and ``posix_spawn()`` run
no handlers. :mod:`subprocess` uses ``vfork()`` on Linux and, if it need not close descriptors, ``posix_spawn()`` on
macOS. uvloop's ``subprocess_exec`` uses ``fork()`` and depends on its handlers: nothing in Loom may call
:func:`asyncio.create_subprocess_exec`, which leads there.
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence

# On macOS closing descriptors would mean fork(). Python's own descriptors are not inherited in any case (PEP 446).
_CLOSE_DESCRIPTORS = sys.platform != "darwin"


def spawn(command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start ``command``, an absolute path and its arguments, with pipes for input, output and errors."""
    return subprocess.Popen(  # noqa: S603 (not through a shell)
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        close_fds=_CLOSE_DESCRIPTORS,
    )


def run(command: Sequence[str], *, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run ``command``, an absolute path and its arguments, to its end; its output and errors are captured as text.

    Blocks. Raises :class:`subprocess.TimeoutExpired` after ``timeout`` seconds, when the process has been killed.
    """
    return subprocess.run(  # noqa: S603 (not through a shell)
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        close_fds=_CLOSE_DESCRIPTORS,
    )
