"""Logs every ended call as a line of NDJSON (docs/reference/format.md), in a thread of its own."""

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

DEFAULT_QUEUE_BUDGET = 32 * 1024 * 1024
DEFAULT_FLUSH_INTERVAL = 0.1
DEFAULT_RETRY_INTERVAL = 2.0

_CALL_COST = 1500  # bytes of a line without the payloads
_CHUNK_BYTES = 1024 * 1024  # of lines that are written at once
_YIELD_EVERY = 20  # lines after which the forwarding thread can take the interpreter


class CallLog(Observer):
    """An observer that appends ended calls to a file. Secrets are masked.

    Nothing here raises towards traffic: while the file cannot be written to, calls are queued (``queue_budget`` bytes)
    and retried every ``retry_interval`` seconds, further calls are dropped and counted, and :meth:`status` has the
    error. A file that was moved away (as by logrotate) is created again. Calls are written about ``flush_interval``
    seconds after they ended.
    """

    def __init__(
        self,
        path: Path,
        secrets: Secrets,
        fault_seed: int | None = None,
        *,
        queue_budget: int = DEFAULT_QUEUE_BUDGET,
        flush_interval: float = DEFAULT_FLUSH_INTERVAL,
        retry_interval: float = DEFAULT_RETRY_INTERVAL,
    ) -> None:
        self.path = path
        self.written = 0
        self.dropped = 0
        self.error = ""
        self._secrets = secrets
        self._fault_seed = fault_seed
        self._queue_budget = queue_budget
        self._flush_interval = flush_interval
        self._retry_interval = retry_interval
        self._queue: deque[tuple[Call, int]] = deque()
        self._queued_bytes = 0  # that were ever queued; the writer's thread counts those that are done
        self._done_bytes = 0
        self._idle = True
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._file: int | None = None
        self._file_identity: tuple[int, int] | None = None
        self._chunk = b""
        self._chunk_costs: list[int] = []

    def start(self) -> None:
        """Open the file and start the thread; an error is in :meth:`status`."""
        self._open()
        self._thread = threading.Thread(target=self._run, name="loom-log", daemon=True)
        self._thread.start()

    def ended(self, calls: Sequence[Call]) -> None:
        """Queue ended calls."""
        for call in calls:
            cost = _CALL_COST + call.request_bytes + call.response_bytes
            if self._queued_bytes - self._done_bytes + cost > self._queue_budget and self._queue:
                self.dropped += 1
                continue
            self._queue.append((call, cost))
            self._queued_bytes += cost
        if self._idle:
            self._idle = False
            self._wake.set()

    def status(self) -> LogStatus:
        """How many calls were written and dropped; ``error`` is "" while calls are written."""
        return LogStatus(str(self.path), self.written, self.dropped, self.error)

    def close(self, timeout: float = 3.0) -> None:
        """Write the queue, then close; gives up after ``timeout`` seconds of a disk that fails."""
        if self._thread is not None:
            self._stopping.set()
            self._wake.set()
            self._thread.join(timeout)
            self._thread = None

    # Everything below runs in the writer's thread.

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait()
            self._stopping.wait(self._flush_interval)
            self._wake.clear()
            self._idle = True
            if not self._write():
                self._stopping.wait(self._retry_interval)
                self._wake.set()
        self._write()
        if self._file is not None:
            os.close(self._file)

    def _write(self) -> bool:
        """Write the queue; False if the file cannot be written to, and the rest stays queued."""
        while self._queue or self._chunk:
            if not self._chunk:
                self._fill_chunk()
            if not self._open() or not self._write_chunk():
                return False
        return True

    def _fill_chunk(self) -> None:
        lines: list[bytes] = []
        size = 0
        while self._queue and size < _CHUNK_BYTES:
            call, cost = self._queue.popleft()
            try:
                lines.append(to_line(call, self._secrets))
            except (UnicodeError, TypeError, ValueError, OverflowError) as error:
                self.dropped += 1
                self._done_bytes += cost
                _log.warning("call %s cannot be logged and was dropped: %s", call.id, error)
                continue
            size += len(lines[-1])
            self._chunk_costs.append(cost)
            if not len(lines) % _YIELD_EVERY:
                time.sleep(0)
        self._chunk = b"".join(lines)

    def _open(self) -> bool:
        """Open the file, unless it is open and still has its name; False if that fails."""
        try:
            if self._file is not None:
                try:
                    named = self.path.stat()
                except FileNotFoundError:
                    named = None
                if named is not None and (named.st_dev, named.st_ino) == self._file_identity:
                    return True
                os.close(self._file)
                self._file = None
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            opened = os.fstat(self._file)
            self._file_identity = (opened.st_dev, opened.st_ino)
            # The newline ends a line that a previous run, or a full disk, left unfinished.
            header = header_line(revealed=False, fault_seed=self._fault_seed)
            os.write(self._file, (b"\n" if opened.st_size else b"") + header)
        except OSError as error:
            self._set_error(error)
            return False
        return True

    def _write_chunk(self) -> bool:
        assert self._file is not None  # noqa: S101 (opened by _open)
        try:
            while self._chunk:
                count = os.write(self._file, self._chunk)
                self._chunk = self._chunk[count:]
        except OSError as error:
            self._set_error(error)
            return False
        self.written += len(self._chunk_costs)
        self._done_bytes += sum(self._chunk_costs)
        self._chunk_costs.clear()
        if self.error:
            self.error = ""
            _log.warning("calls are logged to %s again", self.path)
        return True

    def _set_error(self, error: OSError) -> None:
        text = f"calls are not logged to {self.path}: {error.strerror}"
        if text != self.error:
            _log.warning("%s", text)
        self.error = text
