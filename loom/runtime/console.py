"""Print one line per finished call.

A thread writes the lines, so that a slow terminal, or a pipe that nobody reads, blocks nothing. Lines that it cannot
keep up with are counted and reported instead of queued without bound.
"""

import threading
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self, TextIO

from loom.model import Call, Observer

from .call_formatting import format_call, format_start
from .terminal import Palette, discard_output, terminal_safe


class Console(Observer):
    """An observer that prints calls. Use it as a context manager, around the traffic.

    ``starts`` prints a line when a call starts, too. At most ``lines_per_tick`` lines are written per
    ``tick_seconds``, which leaves the processor to the traffic under load; at most ``queue_size`` calls wait for that.
    """

    def __init__(
        self,
        stream: TextIO,
        palette: Palette,
        *,
        starts: bool = False,
        queue_size: int = 10_000,
        lines_per_tick: int = 250,
        tick_seconds: float = 0.1,
    ) -> None:
        self._stream = stream
        self._palette = palette
        self._starts = starts
        self._queue_size = queue_size
        self._lines_per_tick = lines_per_tick
        self._tick_seconds = tick_seconds
        self._queue: deque[tuple[Call, bool]] = deque()
        self._skipped = 0
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loom-console", daemon=True)

    def started(self, calls: Sequence[Call]) -> None:
        if self._starts:
            self._enqueue(calls, ended=False)

    def ended(self, calls: Sequence[Call]) -> None:
        self._enqueue(calls, ended=True)

    def print_lines(self, *lines: str) -> None:
        """Write these lines now."""
        self._write(lines)

    def _enqueue(self, calls: Sequence[Call], *, ended: bool) -> None:
        room = max(self._queue_size - len(self._queue), 0)
        self._queue += [(call, ended) for call in calls[:room]]
        self._skipped += max(len(calls) - room, 0)
        if not self._wake.is_set():
            self._wake.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush the queue, within a second."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout=1)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait()
            self._wake.clear()
            while self._queue and not self._stopping.is_set():
                self._flush(self._lines_per_tick)
                self._stopping.wait(self._tick_seconds)
        self._flush(self._queue_size)

    def _flush(self, limit: int) -> None:
        lines: list[str] = []
        while self._queue and len(lines) < limit:
            call, ended = self._queue.popleft()
            lines.append((format_call if ended else format_start)(call, self._palette))
        skipped, self._skipped = self._skipped, 0
        if skipped:
            lines.append(
                self._palette.dim(f"… and {skipped:,} more calls, too fast to print; the page shows them")
            )
        if lines:
            self._write(lines)

    def _write(self, lines: Sequence[str]) -> None:
        text = "".join(f"{terminal_safe(line, keep_styles=self._palette.enabled)}\n" for line in lines)
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # the reader of the pipe has gone, or the stream is closed
            self._stopping.set()
            discard_output(self._stream)
