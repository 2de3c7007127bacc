"""The one way for commands to write text: escaped, coloured and cut for a terminal; ends quietly when unread."""

import asyncio
import contextlib
import os
import re
import select
import shutil
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Protocol, TextIO

import click

from loom.errors import LoomError
from loom.runtime.terminal import Palette, discard_output, terminal_safe, terminal_safe_json

_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_ZIP_MAGIC = b"PK\x03\x04"
_FIFO, _SOCKET, _FILE_TYPE = 0o010000, 0o140000, 0o170000


class Output:
    """A stream for lines of text. Control characters in them are escaped; on a terminal, lines can be cut to fit."""

    def __init__(self, stream: TextIO | None = None, *, color: bool | None = None) -> None:
        self.stream = sys.stdout if stream is None else stream
        self.palette = Palette.for_stream(color, self.stream, os.environ)
        self.is_terminal = self.stream.isatty()

    @property
    def width(self) -> int | None:
        """Columns of the terminal; None if the stream is not one."""
        return shutil.get_terminal_size().columns if self.is_terminal else None

    def line(self, text: str, *, cut: bool = False) -> None:
        """Write one line and flush; ``cut`` it to the width of the terminal."""
        safe = terminal_safe(text, keep_styles=self.palette.enabled)
        width = self.width
        self._write(fit(safe, width) if cut and width else safe)

    def json(self, value: Any) -> None:
        """Write a value as one line of JSON."""
        self._write(terminal_safe_json(value))

    def verbatim(self, text: str) -> None:
        """Write text for another program: escaped on a terminal, unchanged elsewhere."""
        self._write("\n".join(map(terminal_safe, text.split("\n"))) if self.is_terminal else text)

    def warning(self, text: str) -> None:
        """Write ``loom: text`` in the colour of warnings."""
        self.line(self.palette.warning(f"loom: {terminal_safe(text)}"))

    def _write(self, text: str) -> None:
        self.stream.write(text + "\n")
        self.stream.flush()


class ByteSink(Protocol):
    """What the bytes of a file can be written to."""

    def write(self, data: bytes, /) -> object: ...


class _TerminalSink:
    """Writes a text file to a terminal, escaped; refuses a binary one."""

    def __init__(self) -> None:
        self._pending = b""
        self._output = Output()

    def write(self, data: bytes, /) -> None:
        if not self._pending and data.startswith(_ZIP_MAGIC):
            raise LoomError("a bundle is binary: write it to a file with --output FILE")
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            self._output.line(line.decode(errors="replace"))

    def close(self) -> None:
        if self._pending:
            self._output.line(self._pending.decode(errors="replace"))


@contextlib.contextmanager
def open_file_output(path: Path | None) -> Iterator[ByteSink]:
    """Open a file that only its owner may read, or stdout if ``path`` is None. A full disk is a :class:`LoomError`."""
    if path is None:
        if sys.stdout.isatty():
            sink = _TerminalSink()
            yield sink
            sink.close()
            return
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise LoomError(f"{path} cannot be written to: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
    except OSError as error:
        raise LoomError(f"{path} is incomplete: {error.strerror}") from error


def print_error(text: str) -> None:
    """Write an error to stderr as one line."""
    click.echo(f"loom: {terminal_safe(' '.join(text.split()))}", err=True)


def fit(text: str, width: int) -> str:
    """Cut to ``width`` visible characters; sequences of :class:`Palette` take no room and stay."""
    if len(_STYLE.sub("", text)) <= width:
        return text
    parts, room, position = [], width - 1, 0
    for match in [*_STYLE.finditer(text), None]:
        segment = text[position : match.start() if match else len(text)]
        parts.append(segment[:room])
        room -= len(parts[-1])
        if match:
            parts.append(match[0])
            position = match.end()
    return "".join(parts) + "…"


def color_option(function: Any) -> Any:
    """Add ``--color`` and ``--no-color``."""
    return click.option(
        "--color/--no-color",
        default=None,
        help="Colour the output. [default: on if it is a terminal and NO_COLOR is not set]",
    )(function)


def run(command: Callable[[], Coroutine[Any, Any, int | None]]) -> int:
    """Run a command and return its exit code: 0 as well if the reader of the output closes it (``| head``)."""
    try:
        return asyncio.run(_run_until_unread(command())) or 0
    except BrokenPipeError:
        discard_output(sys.stdout)
        return 0


async def _run_until_unread(command: Coroutine[Any, Any, int | None]) -> int | None:
    """Run a command, and cancel it once stdout has no reader: it may have nothing to write for a long time."""
    task = asyncio.ensure_future(command)
    loop = asyncio.get_running_loop()
    pipe = _pipe_descriptor(sys.stdout)
    closed = asyncio.Event()

    def on_ready() -> None:
        if pipe is not None and _has_no_reader(pipe):
            closed.set()
            task.cancel()
            loop.remove_reader(pipe)

    if pipe is not None:
        with contextlib.suppress(OSError, NotImplementedError):
            loop.add_reader(pipe, on_ready)
    try:
        return await task
    except asyncio.CancelledError:
        if closed.is_set():
            raise BrokenPipeError from None
        raise
    finally:
        if pipe is not None:
            with contextlib.suppress(OSError, NotImplementedError):
                loop.remove_reader(pipe)


def _pipe_descriptor(stream: TextIO) -> int | None:
    """The stream's file descriptor if it is a pipe or a socket."""
    try:
        descriptor = stream.fileno()
        mode = os.fstat(descriptor).st_mode
    except (OSError, ValueError):
        return None
    return descriptor if mode & _FILE_TYPE in {_FIFO, _SOCKET} else None


def _has_no_reader(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))
