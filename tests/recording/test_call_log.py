"""Ended calls are logged; errors of the file are reported and cost the traffic nothing."""

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from loom.api.stats import LogStatus
from loom.model import Call, Secrets
from loom.recording.call_log import CallLog
from loom.recording.ndjson import Problem, read_lines
from tests.support.traffic import recorded, unary


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.ndjson"


@pytest.fixture
def log(path: Path) -> Iterator[CallLog]:
    log = CallLog(path, Secrets())
    log.start()
    yield log
    log.close()


def read(path: Path) -> tuple[list[int], list[Problem]]:
    problems: list[Problem] = []
    with path.open("rb") as lines:
        ids = [call.id for call in read_lines(lines, problems.append) if isinstance(call, Call)]
    return ids, problems


def ended_calls(*ids: int) -> list[Call]:
    return [recorded(*unary(call_id))[0] for call_id in ids]


def test_writes_ended_calls_with_secrets_masked(log: CallLog, path: Path) -> None:
    log.ended(ended_calls(1, 2))
    log.ended(ended_calls(3))
    log.close()
    assert read(path) == ([1, 2, 3], [])
    assert b"s3cret" not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert log.status() == LogStatus(str(path), written=3, dropped=0, error="")


def test_a_later_run_appends(log: CallLog, path: Path) -> None:
    log.ended(ended_calls(1))
    log.close()
    with path.open("ab") as file:
        file.write(b'{"type":"call","id":2,"meth')  # killed while it wrote
    again = CallLog(path, Secrets())
    again.start()
    again.ended(ended_calls(3))
    again.close()
    ids, problems = read(path)
    assert ids == [1, 3]
    assert [problem.line for problem in problems] == [3]


def test_a_file_that_was_moved_away_is_created_again(log: CallLog, path: Path) -> None:
    log.ended(ended_calls(1))
    log.close()
    log = CallLog(path, Secrets())
    log.start()
    path.rename(path.with_suffix(".1"))
    log.ended(ended_calls(2))
    log.close()
    assert read(path.with_suffix(".1"))[0] == [1]
    assert read(path)[0] == [2]


def test_a_full_disk_is_reported_and_drops_are_counted() -> None:
    log = CallLog(Path("/dev/full"), Secrets(), queue_budget=10_000)
    log.start()
    for call in ended_calls(*range(1, 101)):
        log.ended([call])
    log.close()
    status = log.status()
    assert status.error == "calls are not logged to /dev/full: No space left on device"
    assert status.dropped > 50
    assert status.written == 0


def test_a_missing_directory_is_reported_and_retried(tmp_path: Path) -> None:
    path = tmp_path / "later" / "calls.ndjson"
    log = CallLog(path, Secrets())
    log.start()
    assert log.status().error == f"calls are not logged to {path}: {os.strerror(2)}"
    log.ended(ended_calls(1))
    path.parent.mkdir()
    log.close()
    assert read(path) == ([1], [])


def test_no_thread_is_left(log: CallLog) -> None:
    log.close()
    assert "loom-log" not in {thread.name for thread in threading.enumerate()}
