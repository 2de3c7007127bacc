"""The log: every finished call as a line of NDJSON (docs/format.md), written by a thread of its own."""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from loom.api.stats import LogStatus
from loom.model import Call, Observer, Secrets

from .ndjson import header_line, to_line

_log = logging.getLogger(__name__)

QUEUE_BUDGET = 32 * 1024 * 1024
_CALL_COST = 1500
_TICK = 0.1  # seconds that calls wait for company before they are written
_RETRY = 2.0  # seconds between attempts while the file refuses
_YIELD_EVERY = 20  # lines made before the forwarding thread gets a chance at the interpreter
_CHUNK = 1024 * 1024


class CallLog(Observer):
    """An observer of the recorder. Secrets are masked.

    Nothing here raises towards traffic: while the file cannot be written to, calls wait
    (``queue_budget`` bytes), further ones are dropped and counted, and :meth:`status` says why.
    A file that was moved away (as by logrotate) is made anew.
    """

    def __init__(self, path: Path, secrets: Secrets, *, queue_budget: int = QUEUE_BUDGET) -> None:
        self.path = path
        self.written = 0
        self.dropped = 0
        self.error = ""
        self._secrets = secrets
        self._budget = queue_budget
        self._queue: deque[tuple[Call, int]] = deque()
        self._queued = 0  # bytes put in, ever; the writer counts those it took out
        self._taken = 0
        self._idle = True
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._file: int | None = None
        self._identity: tuple[int, int] | None = None
        self._unwritten = b""
        self._unwritten_calls: list[int] = []

    def start(self) -> None:
        """Open the file and start writing; a file that cannot be opened is told by :meth:`status`."""
        self._ready()
        self._thread = threading.Thread(target=self._run, name="loom-log", daemon=True)
        self._thread.start()

    def ended(self, calls: Sequence[Call]) -> None:
        """Queue finished calls."""
        for call in calls:
            cost = _CALL_COST + call.request_bytes + call.response_bytes
            if self._queued - self._taken + cost > self._budget and self._queue:
                self.dropped += 1
                continue
            self._queue.append((call, cost))
            self._queued += cost
        if self._idle:
            self._idle = False
            self._wake.set()

    def status(self) -> LogStatus:
        """How many calls were written and lost; ``error`` is empty while calls are written."""
        return LogStatus(str(self.path), self.written, self.dropped, self.error)

    def close(self, timeout: float = 3.0) -> None:
        """Write what is queued, then close."""
        if self._thread is not None:
            self._stopping.set()
            self._wake.set()
            self._thread.join(timeout)
            self._thread = None

    # The writer's thread, from here on.

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait()
            self._stopping.wait(_TICK)
            self._wake.clear()
            self._idle = True
            if not self._write():
                self._stopping.wait(_RETRY)
                self._wake.set()
        self._write()
        if self._file is not None:
            os.close(self._file)

    def _write(self) -> bool:
        """Write all that waits; False if the file refused, and it waits on."""
        while self._queue or self._unwritten:
            if not self._unwritten:
                self._pack()
            if not self._ready() or not self._flush():
                return False
        return True

    def _pack(self) -> None:
        lines: list[bytes] = []
        size = 0
        while self._queue and size < _CHUNK:
            call, cost = self._queue.popleft()
            try:
                lines.append(to_line(call, self._secrets))
            except (UnicodeError, TypeError, ValueError) as error:
                self.dropped += 1
                self._taken += cost
                _log.warning("call %s cannot be logged: %s", call.id, error)
                continue
            size += len(lines[-1])
            self._unwritten_calls.append(cost)
            if not len(lines) % _YIELD_EVERY:
                time.sleep(0)
        self._unwritten = b"".join(lines)

    def _ready(self) -> bool:
        """Have the file open, under its name."""
        try:
            if self._file is not None:
                try:
                    found = self.path.stat()
                except FileNotFoundError:
                    found = None
                if found is not None and (found.st_dev, found.st_ino) == self._identity:
                    return True
                os.close(self._file)
                self._file = None
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            opened = os.fstat(self._file)
            self._identity = (opened.st_dev, opened.st_ino)
            # A line that an earlier run, or a full disk, left unfinished must not spoil the next one.
            os.write(self._file, (b"\n" if opened.st_size else b"") + header_line(revealed=False))
        except OSError as error:
            self._refused(error)
            return False
        return True

    def _flush(self) -> bool:
        assert self._file is not None  # noqa: S101 (made by _ready)
        try:
            while self._unwritten:
                done = os.write(self._file, self._unwritten)
                self._unwritten = self._unwritten[done:]
        except OSError as error:
            self._refused(error)
            return False
        self.written += len(self._unwritten_calls)
        self._taken += sum(self._unwritten_calls)
        self._unwritten_calls.clear()
        if self.error:
            self.error = ""
            _log.warning("calls are logged again to %s", self.path)
        return True

    def _refused(self, error: OSError) -> None:
        text = f"calls are not logged to {self.path}: {error.strerror}"
        if text != self.error:
            _log.warning("%s", text)
        self.error = text
