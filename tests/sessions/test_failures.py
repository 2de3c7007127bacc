"""Locks, full disks, damage, refused rows and other versions: errors are reported, and traffic continues."""

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from loom.model import CallEnded, CallStarted, Kind, MessageSeen, Status, StoredDescriptorSet
from loom.model.projection import INTERRUPTED
from loom.sessions import SessionError, SessionReader, SessionWriter, session_path
from loom.sessions.database import SessionLock
from tests.support.databases import change
from tests.support.traffic import DOWN, UP, altered, began, dense, message, unary

from .conftest import emit


def test_a_locked_file_does_not_open(path: Path, writer: SessionWriter) -> None:
    writer.close()
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("PRAGMA locking_mode=EXCLUSIVE")
    blocker.execute("BEGIN EXCLUSIVE")
    again = SessionWriter(path)
    again.open()
    assert "is locked by another program" in again.status().error
    assert "restart Loom" in again.status().error
    blocker.close()
    again.close()


def test_a_lock_is_reported_and_retried(path: Path) -> None:
    writer = SessionWriter(path)
    writer.open()
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    for event in unary(1):
        writer.emit(event)
    assert not writer.flush(1.5)
    assert "locked by another program" in writer.status().error
    blocker.execute("COMMIT")
    blocker.close()
    assert writer.flush(20)
    assert writer.status().error == ""
    assert [call.id for call in writer.restore(10)] == [1]
    writer.close()


def test_a_session_in_use_by_another_loom(path: Path, writer: SessionWriter) -> None:
    second = SessionWriter(path)
    second.open()
    second.emit(unary(1)[0])
    assert not second.active
    assert second.status().error == (
        f"session 'default' is in use by another Loom (process {os.getpid()}): this run is not stored; "
        "give each its own --session NAME"
    )
    second.close()
    emit(writer, *unary(2))  # the first goes on


def test_the_lock_ends_with_its_holder(path: Path, writer: SessionWriter) -> None:
    writer.close()
    lock = SessionLock(path)
    lock.acquire()
    with pytest.raises(SessionError, match="in use by another Loom"):
        SessionLock(path).acquire()
    lock.release()


def test_a_full_disk_is_reported_and_retried(path: Path, writer: SessionWriter) -> None:
    emit(writer, *unary(1))
    connection = writer._file.connection
    assert connection is not None
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages}")
    for event in unary(2, dense(1_000_000)):
        writer.emit(event)
    assert not writer.flush(1.0)
    assert writer.status().error == f"the disk is full: calls are not stored in {path} until there is room"
    connection.execute("PRAGMA max_page_count=1000000")
    assert writer.flush(20)
    assert writer.status().error == ""
    assert [call.id for call in writer.restore(10)] == [1, 2]


@pytest.mark.parametrize("had_calls", [False, True])
def test_a_disk_that_is_full_at_the_start_is_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, had_calls: bool
) -> None:
    if had_calls:
        before = SessionWriter(path)
        before.open()
        emit(before, *unary(1))
        before.close()
    full = True

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        if full and "mode=ro" not in str(arguments[0]):
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorname = "SQLITE_FULL"
            raise error
        opened: sqlite3.Connection = real(*arguments, **options)
        return opened

    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", connect)
    writer = SessionWriter(path, retry_interval=0.05)
    writer.open()
    said = f"the disk is full: calls are not stored in {path} until there is room"
    assert (writer.active, writer.status().error) == (False, said)
    first = writer.last_id + 1
    assert first == (2 if had_calls else 1)
    assert len(writer.restore(10)) == first - 1
    for event in unary(first):
        writer.emit(event)
    assert not writer.flush(0.2)
    assert writer.status().error == said
    full = False
    assert writer.flush(10)
    assert (writer.active, writer.status().error) == (True, "")
    assert [call.id for call in writer.restore(10)] == list(range(1, first + 1))
    writer.close()


@pytest.mark.parametrize(
    "content", [b"this is not a database, but long enough for SQLite to read it" * 20, b"short"]
)
def test_a_damaged_file_is_reported(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    writer = SessionWriter(path)
    writer.open()
    writer.emit(unary(1)[0])
    assert f"{path} is damaged" in writer.status().error
    assert "choose another --session" in writer.status().error
    assert writer.restore(10) == []
    writer.close()
    assert path.read_bytes() == content


def test_a_damaged_batch_is_passed_over(path: Path, writer: SessionWriter) -> None:
    emit(writer, *unary(1))
    emit(writer, *unary(2))
    emit(writer, *unary(3))
    writer.close()
    change(path, "UPDATE batches SET events = x'dc00' WHERE seq = 2")
    with SessionReader(path) as reader:
        assert [call.id for call in reader.calls()] == [1, 3]
        assert len(reader.damaged) == 1
        assert "batch 2 is damaged" in reader.damaged[0]


def test_damage_is_reported_at_the_next_start(
    path: Path, writer: SessionWriter, caplog: pytest.LogCaptureFixture
) -> None:
    for call_id in range(1, 4):
        emit(writer, *unary(call_id))
    writer.put_descriptors(StoredDescriptorSet("a:1", "reflection v1", "a:1", 5, b"set"))
    emit(writer, *unary(4))
    writer.close()
    change(
        path,
        "UPDATE batches SET events = x'dc00' WHERE seq = 2",
        "UPDATE descriptors SET file_set = x'00'",
    )
    again = SessionWriter(path)
    again.open()
    assert [call.id for call in again.restore(10)] == [1, 3, 4]
    assert again.stored_descriptors() == []
    status = again.status()
    assert status.error == ""
    assert status.problems == [
        f"{path}: batch 2 is damaged and was skipped: it is not compressed",
        f"{path}: some of its descriptors could not be read",
    ]
    assert all(line in caplog.text for line in status.problems)
    again.close()


def test_missing_counters_are_damage(path: Path, writer: SessionWriter) -> None:
    writer.close()
    change(path, "UPDATE facts SET value = 'x' WHERE name = 'last_id'")
    again = SessionWriter(path)
    again.open()
    assert not again.active
    assert again.status().error.startswith(f"{path} is damaged (its counters are missing)")


def test_a_missing_table_is_damage(path: Path, writer: SessionWriter) -> None:
    writer.close()
    change(path, "DROP TABLE facts", "DROP TABLE batches")
    again = SessionWriter(path)
    again.open()
    assert f"{path} is damaged (no such table: facts)" in again.status().error
    with SessionReader(path) as reader:
        assert reader.totals().calls == 0
        assert reader.damaged[0] == f"{path}: it is damaged: its batches could not be found"


def test_pruning_passes_over_a_damaged_batch(path: Path) -> None:
    writer = SessionWriter(path, budget=2_000_000)
    writer.open()
    emit(writer, *began(1))
    emit(writer, *unary(2, dense(200_000)))
    change(path, "UPDATE batches SET events = x'dc00' WHERE seq = 2")
    for call_id in range(3, 31):
        emit(writer, message(1, DOWN, b"y"), *unary(call_id, dense(200_000)))
    assert writer.status().error == ""
    assert writer.status().pruned >= 10
    writer.close()


def test_a_file_of_a_newer_loom_is_refused(path: Path, writer: SessionWriter) -> None:
    writer.close()
    change(path, "PRAGMA user_version=99")
    writer.open()
    assert "was written by a newer Loom (session format 99; this one reads 6)" in writer.status().error
    with pytest.raises(SessionError, match="newer Loom"):
        SessionReader(path)


def test_a_file_of_format_5_is_read_and_written_on(path: Path, writer: SessionWriter) -> None:
    emit(writer, *unary(1))
    writer.close()
    change(path, "PRAGMA user_version=5")
    with SessionReader(path) as reader:
        assert [call.id for call in reader.calls()] == [1]
    writer = SessionWriter(path)
    writer.open()
    emit(writer, *altered(2))
    writer.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (6,)
    with SessionReader(path) as reader:
        assert [len(call.interceptions) for call in reader.calls()] == [0, 4]


def test_a_file_of_a_format_before_5_is_refused(path: Path, writer: SessionWriter) -> None:
    writer.close()
    change(path, "PRAGMA user_version=4")
    writer = SessionWriter(path)
    writer.open()
    assert "was written by an older Loom (session format 4; this one writes 6)" in writer.status().error
    with pytest.raises(SessionError, match="older Loom"):
        SessionReader(path)


def test_a_database_of_something_else_is_left_alone(path: Path) -> None:
    path.parent.mkdir(parents=True)
    change(path, "CREATE TABLE notes (text)")
    writer = SessionWriter(path)
    writer.open()
    assert "is a database, but not a Loom session" in writer.status().error
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("notes",)]
    connection.close()


def test_a_directory_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    writer = SessionWriter(session_path("default", tmp_path / "file" / "sessions"))
    writer.open()
    for event in unary(1):
        writer.emit(event)
    assert "set LOOM_DATA_DIR to a directory that you may write to" in writer.status().error
    writer.close()


def test_events_that_cannot_be_encoded_are_dropped_and_counted(
    path: Path, writer: SessionWriter, caplog: pytest.LogCaptureFixture
) -> None:
    number = 10**30
    emit(writer, CallStarted(1, 1, "/a.B/C", deadline_ns=number), *unary(2))
    writer.emit_all([[*began(3), CallEnded(3, 5, Status(number))], unary(4)])
    large = message(5, UP, dense(100_000))
    writer.emit_all([[*began(5), large, CallEnded(5, 5, Status(number))], [CallEnded(6, 1, Status(number))]])
    assert writer.flush()
    status = writer.status()
    assert (status.dropped, status.error) == (4, "")
    logged = [record.getMessage() for record in caplog.records]
    assert [line.split(" cannot")[0] for line in logged] == [
        "1 events of calls from 1 on",
        "1 events of calls from 3 on",
        "2 events of calls from 5 on",
    ]
    calls = writer.restore(10)
    assert [(call.id, call.note == INTERRUPTED) for call in calls] == [
        (2, False),
        (3, True),
        (4, False),
        (5, True),
    ]
    assert [item.data for item in calls[-1].messages] == [large.data]


def test_a_batch_that_the_database_refuses_is_dropped_and_counted(
    path: Path, writer: SessionWriter, caplog: pytest.LogCaptureFixture
) -> None:
    refused = [event for call_id in (1, 2) for event in unary(call_id)]
    writer.emit_all([refused, [CallStarted(2**63, 1, "/a.B/C")]])  # an id that SQLite has no integer for
    assert writer.flush()
    assert (writer.status().dropped, writer.status().error) == (len(refused) + 1, "")
    assert "rows that the database refuses were dropped: " in caplog.text
    emit(writer, *unary(3))
    writer.emit_all([[MessageSeen(2**63, 2, UP, b"x")], unary(4)])  # refused for its row in another table
    assert writer.flush()
    emit(writer, *unary(5))
    assert [call.id for call in writer.restore(10)] == [3, 5]
    assert writer.status().dropped == len(refused) + 1 + 1 + len(unary(4))
    assert writer.status().written == 2
    assert writer.queued_bytes == 0
    with SessionReader(path) as reader:
        assert reader.totals().batches == 2


@pytest.mark.parametrize(
    "fields",
    [
        ({"name": "x"}, "s", "o", 5, b"set"),
        ("a:1", ["s"], "o", 5, b"set"),
        ("a:1", "s", "\udcff", 5, b"set"),
        ("a:1", "s", "o", 2**70, b"set"),
        ("a:1", "s", None, 5, b"set"),
        ("a:1", "s", "o", 5, {"file": 1}),
    ],
)
def test_a_descriptor_set_that_the_database_refuses_is_dropped(
    path: Path, writer: SessionWriter, caplog: pytest.LogCaptureFixture, fields: tuple[Any, ...]
) -> None:
    writer.put_descriptors(StoredDescriptorSet(*fields))
    writer.put_descriptors(StoredDescriptorSet("a:1", "s", "o", 5, b"other"))
    emit(writer, *unary(1))
    assert writer.status().error == ""
    assert "rows that the database refuses were dropped: a descriptor set" in caplog.text
    assert [item.file_set for item in writer.stored_descriptors()] == [b"other"]
    assert [call.id for call in writer.restore(10)] == [1]


def test_names_that_the_database_refuses_cost_nothing_else(path: Path) -> None:
    writer = SessionWriter(path, declared_kind=lambda _: Kind.UNARY)
    writer.open()
    writer.mask(["x-\udcff", "x-key"])
    emit(writer, *unary(1))
    assert writer.status().error == ""
    assert [call.declared_kind for call in writer.restore(10)] == [Kind.UNARY]
    writer.close()
