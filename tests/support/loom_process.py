"""Loom as a process of its own, as users start it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue

ROOT = Path(__file__).parents[2]
TIMEOUT = 30.0  # seconds; reached by failures only


class LoomProcess:
    """``lines`` are the lines printed so far; :meth:`expect` waits for more."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def expect(self, pattern: str) -> re.Match[str]:
        """The first line from here on that matches; fails if the output ends, or stays silent for long."""
        while True:
            try:
                line = self._queue.get(timeout=TIMEOUT)
            except Empty:
                raise AssertionError(f"no line like {pattern!r} came; so far: {self.lines}") from None
            if line is None:
                raise AssertionError(f"ended without a line like {pattern!r}: {self.lines}")
            self.lines.append(line)
            match = re.search(pattern, line)
            if match:
                return match

    def rest(self) -> list[str]:
        """Return all further lines until the process ends."""
        rest = []
        while (line := self._queue.get(timeout=TIMEOUT)) is not None:
            rest.append(line)
        self.lines += rest
        return rest

    def interrupt(self) -> None:
        """Send SIGINT, as Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)

    def wait(self) -> int:
        """Wait for the process to end; return its exit code."""
        return self.process.wait(TIMEOUT)


@contextlib.contextmanager
def running_loom(
    *arguments: str,
    home: Path,
    program: Sequence[str] = (sys.executable, "-m", "loom"),
    variables: Mapping[str, str] | None = None,
) -> Iterator[LoomProcess]:
    """``loom ARGUMENTS``, started in ``home``, which also holds all that it would keep of its user.

    ``variables`` is its whole environment, where :func:`environment` will not do.
    """
    process = subprocess.Popen(
        [*program, *arguments],
        cwd=home,
        env=environment(home) if variables is None else variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    try:
        yield LoomProcess(process)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def environment(home: Path) -> dict[str, str]:
    """This process's environment without its settings of Loom, with ``home`` for a home."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("LOOM_", "XDG_"))}
    return kept | {"HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
