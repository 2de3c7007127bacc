"""What cannot be read of previous runs is reported once, and stops nothing."""

from pathlib import Path

import pytest

from loom.sessions import session_path
from loom.sessions.previous_runs import PreviousRuns
from loom.sessions.reader import SessionReader
from tests.support.session_files import write_session
from tests.support.traffic import recorded, unary


def test_without_a_file_or_with_an_empty_one_there_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    runs = PreviousRuns(path)
    assert runs.read(lambda reader: [reader]) == []
    path.touch()
    assert runs.read(lambda reader: [reader]) == []
    assert runs.problems == []


def test_a_file_that_is_not_a_session_is_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "s.db"
    path.write_bytes(b"not a database" * 100)
    runs = PreviousRuns(path)
    for _ in range(2):
        assert runs.read(lambda reader: list(reader.calls())) == []
    [problem] = runs.problems
    assert str(path) in problem
    assert [record.getMessage() for record in caplog.records] == [problem]


def test_an_unexpected_failure_is_reported_and_what_is_intact_is_read_after_it(tmp_path: Path) -> None:
    path = session_path("s", tmp_path)
    write_session(path, recorded(*unary(1), *unary(2))).close()
    runs = PreviousRuns(path)

    def fail(_: SessionReader) -> list[int]:
        raise ValueError("odd")

    assert runs.read(fail) == []
    assert runs.problems == [f"{path}: calls of previous runs could not be read: ValueError('odd')"]
    assert runs.read(lambda reader: [call.id for call in reader.calls()]) == [1, 2]
