"""The signals of a running Loom: SIGINT and SIGTERM stop it, SIGHUP loads its settings again."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator

HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)
"""None on a platform without it."""

_TERMINAL = "/dev/tty"


@contextlib.contextmanager
def handle_signals(
    stopping: asyncio.Event, reload: Callable[[], object], hangup: signal.Signals | None = HANGUP
) -> Iterator[None]:
    """Handle the signals within the block, on the current task's event loop.

    SIGINT and SIGTERM set ``stopping``, and cancel the task if it is set already. SIGHUP calls ``reload``; but when it
    comes because the terminal that Loom was started from is closed, it stops Loom, as it does most programs. Where it
    is ignored, as under nohup, it stays so.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    had_terminal = _has_terminal()

    def on_stop() -> None:
        if stopping.is_set() and task is not None:
            task.cancel("second signal")
        stopping.set()

    def on_hangup() -> None:
        if had_terminal and not _has_terminal():
            stopping.set()
        else:
            reload()

    handlers = {signal.SIGINT: on_stop, signal.SIGTERM: on_stop}
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        handlers[hangup] = on_hangup
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


def _has_terminal() -> bool:
    """Whether this process has a controlling terminal: one that is closed cannot be opened any more."""
    try:
        os.close(os.open(_TERMINAL, os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
