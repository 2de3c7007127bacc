"""One line per finished call on the terminal.

A thread of its own writes: a terminal that is slow, or a pipe that nobody reads, holds nothing
up. What it cannot keep up with is counted and said, not queued without end.
"""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self, TextIO

from loom.model import Call, Observer

from .call_formatting import ended_line, started_line
from .palette import Palette

QUEUE = 10_000  # calls that may wait to be written
LINES_PER_TICK = 250
TICK_SECONDS = 0.1


class Console(Observer):
    """An observer of calls that prints them. Use it as a context manager, around the traffic.

    At most ``LINES_PER_TICK`` lines go out per tick, so that a load test spends its
    processor on calls and not on their lines; the rest waits its turn, and what ``QUEUE``
    does not hold is counted.
    """

    def __init__(self, stream: TextIO, palette: Palette, *, starts: bool = False) -> None:
        self._stream = stream
        self._palette = palette
        self._starts = starts
        self._queue: deque[tuple[Call, bool]] = deque()
        self._started: set[int] = set()
        self._skipped = 0
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._write_all, name="loom-console", daemon=True)

    def started(self, calls: Sequence[Call]) -> None:
        if self._starts:
            self._offer(calls, ended=False)

    def ended(self, calls: Sequence[Call]) -> None:
        self._offer(calls, ended=True)

    def say(self, *lines: str) -> None:
        """Print these lines now."""
        self._print("".join(f"{line}\n" for line in lines))

    def _offer(self, calls: Sequence[Call], *, ended: bool) -> None:
        room = max(QUEUE - len(self._queue), 0)
        self._queue += [(call, ended) for call in calls[:room]]
        self._skipped += max(len(calls) - room, 0)
        if not self._wake.is_set():
            self._wake.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Write what waits, within a second."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout=1)

    def _write_all(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait()
            self._wake.clear()
            while self._queue and not self._stopping.is_set():
                self._write(LINES_PER_TICK)
                self._stopping.wait(TICK_SECONDS)
        self._write(QUEUE)

    def _write(self, limit: int) -> None:
        lines: list[str] = []
        while self._queue and len(lines) < limit:
            call, ended = self._queue.popleft()
            lines.append((ended_line if ended else started_line)(call, self._palette))
        skipped, self._skipped = self._skipped, 0
        if skipped:
            lines.append(
                self._palette.dim(f"… and {skipped:,} more that came too fast to print; the page has them")
            )
        if lines:
            self._print("\n".join(lines) + "\n")

    def _print(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # the reader of the pipe has gone, or the stream is closed
            self._stopping.set()
            self._forget()

    def _forget(self) -> None:
        """Let what the stream still holds go nowhere, so that closing it does not fail again."""
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
