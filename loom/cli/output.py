"""What commands write: colour and width as the terminal has them, and a quiet end when nobody reads any more."""

import asyncio
import contextlib
import os
import re
import select
import shutil
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TextIO

import click

from loom.runtime.palette import Palette

_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


class Output:
    """A stream to write lines to. On a terminal they are cut to its width; in a pipe they are whole."""

    def __init__(self, stream: TextIO | None = None, *, color: bool | None = None) -> None:
        self.stream = sys.stdout if stream is None else stream
        self.palette = Palette.chosen(color, self.stream, os.environ)
        self.terminal = self.stream.isatty()

    @property
    def width(self) -> int | None:
        """Columns of the terminal; None where there is none."""
        return shutil.get_terminal_size().columns if self.terminal else None

    def line(self, text: str, *, cut: bool = False) -> None:
        """Write one line now; ``cut`` it to the width of the terminal."""
        width = self.width
        self.stream.write((fit(text, width) if cut and width else text) + "\n")
        self.stream.flush()


def fit(text: str, width: int) -> str:
    """At most ``width`` visible characters; escape sequences take no room and stay."""
    if len(_ESCAPE.sub("", text)) <= width:
        return text
    shown, room, position = [], width - 1, 0
    for match in [*_ESCAPE.finditer(text), None]:
        plain = text[position : match.start() if match else len(text)]
        shown.append(plain[:room])
        room -= len(shown[-1])
        if match:
            shown.append(match[0])
            position = match.end()
    return "".join(shown) + "…"


def color_option(function: Any) -> Any:
    """``--color`` and ``--no-color``."""
    return click.option(
        "--color/--no-color",
        default=None,
        help="Colour the output (default: on a terminal without NO_COLOR).",
    )(function)


def run(work: Callable[[], Coroutine[Any, Any, int | None]]) -> int:
    """Run a command to its end. A reader that has gone (``| head``) is no error, Ctrl-C ends with 130."""
    try:
        return asyncio.run(_until_unread(work())) or 0
    except BrokenPipeError:
        forget(sys.stdout)
        return 0


async def _until_unread(work: Coroutine[Any, Any, int | None]) -> int | None:
    """Run ``work``, and end it as soon as nobody reads what is written: there may be nothing to write for long."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    watched = _pipe(sys.stdout)
    gone = asyncio.Event()

    def on_ready() -> None:
        if _hung_up(watched or 0):
            gone.set()
            task.cancel()
            loop.remove_reader(watched or 0)

    if watched is not None:
        with contextlib.suppress(OSError, NotImplementedError):
            loop.add_reader(watched, on_ready)
    try:
        return await task
    except asyncio.CancelledError:
        if gone.is_set():
            raise BrokenPipeError from None
        raise
    finally:
        if watched is not None:
            with contextlib.suppress(OSError, NotImplementedError):
                loop.remove_reader(watched)


def _pipe(stream: TextIO) -> int | None:
    """The stream's descriptor if it is a pipe or a socket."""
    try:
        number = stream.fileno()
        mode = os.fstat(number).st_mode
    except (OSError, ValueError):
        return None
    return number if mode & 0o170000 in {0o010000, 0o140000} else None


def _hung_up(number: int) -> bool:
    poll = select.poll()
    poll.register(number, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def forget(stream: TextIO) -> None:
    """Let what the stream still holds go nowhere, so that closing it at exit does not fail again."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
