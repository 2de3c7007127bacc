"""Keys and lines from the terminal on an event loop, and an editor on it."""

import asyncio
import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
import termios
import tty
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from loom.errors import LoomError

_CHUNK = 4096


class Keyboard:
    """A terminal, whose keys are read one by one within ``with``; Ctrl-C interrupts as ever."""

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._bytes = bytearray()
        self._ready = asyncio.Event()
        self._closed = False
        self._saved: deque[list[object]] = deque()

    def __enter__(self) -> Self:
        self._saved.append(termios.tcgetattr(self._descriptor))
        tty.setcbreak(self._descriptor, termios.TCSANOW)
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        self._restore()

    def _restore(self) -> None:
        termios.tcsetattr(self._descriptor, termios.TCSANOW, self._saved.pop())  # type: ignore[arg-type]

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, _CHUNK)
        except OSError:
            data = b""
        if not data:
            self._closed = True
            asyncio.get_running_loop().remove_reader(self._descriptor)
        self._bytes += data
        self._ready.set()

    async def key(self) -> str:
        """The next key; "" once the terminal is gone."""
        await self._wait(1)
        key = bytes(self._bytes[:1])
        del self._bytes[:1]
        return key.decode("ascii", "replace")

    async def line(self) -> str:
        """The next line, which the terminal lets its user edit."""
        with self._paused(keep_reader=True):
            while b"\n" not in self._bytes and not self._closed:
                await self._wait(len(self._bytes) + 1)
        line, _, rest = bytes(self._bytes).partition(b"\n")
        self._bytes[:] = rest
        return line.decode("utf-8", "replace").strip()

    async def _wait(self, count: int) -> None:
        while len(self._bytes) < count and not self._closed:
            self._ready.clear()
            await self._ready.wait()

    @contextlib.contextmanager
    def _paused(self, *, keep_reader: bool = False) -> Iterator[None]:
        """The terminal as it was before."""
        loop = asyncio.get_running_loop()
        if not keep_reader:
            loop.remove_reader(self._descriptor)
        self._restore()
        try:
            yield
        finally:
            self._saved.append(termios.tcgetattr(self._descriptor))
            tty.setcbreak(self._descriptor, termios.TCSANOW)
            if not keep_reader:
                loop.add_reader(self._descriptor, self._read)

    async def edit(self, text: str, suffix: str) -> str:
        """The text as the user leaves it in ``$VISUAL`` or ``$EDITOR``. Raises :class:`LoomError` if that fails."""
        command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
        with tempfile.TemporaryDirectory(prefix="loom-") as folder:  # only its owner may read it
            file = Path(folder) / f"held{suffix}"
            file.write_text(text, encoding="utf-8")
            with self._paused(), _interrupts_for_the_editor():
                try:
                    editor = await asyncio.to_thread(
                        subprocess.run, [*shlex.split(command), str(file)], check=False
                    )
                except (OSError, ValueError) as error:
                    raise LoomError(
                        f"the editor {command!r} cannot be started: {error}; set EDITOR"
                    ) from error
            if editor.returncode:
                raise LoomError(f"the editor {command!r} failed: nothing was edited")
            try:
                return file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise LoomError(f"what the editor left cannot be read: {error}") from error


@contextlib.contextmanager
def _interrupts_for_the_editor() -> Iterator[None]:
    """Ctrl-C is the editor's. A handler, unlike SIG_IGN, is not inherited by it."""
    previous = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
