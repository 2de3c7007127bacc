"""Locks, full disks, damage and other versions: what is wrong is told, and traffic goes on."""

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from loom.model import StoredDescriptorSet
from loom.sessions import SessionError, SessionReader, SessionWriter, session_path
from loom.sessions import writer as store_module
from loom.sessions.database import SessionLock
from tests.support.databases import change
from tests.support.traffic import DOWN, began, dense, message, unary

from .conftest import emit


def test_a_locked_file_does_not_open(path: Path, store: SessionWriter) -> None:
    store.close()
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("PRAGMA locking_mode=EXCLUSIVE")
    blocker.execute("BEGIN EXCLUSIVE")
    again = SessionWriter(path)
    again.open()
    assert "is locked by another program" in again.status()["error"]
    assert "start Loom again" in again.status()["error"]
    blocker.close()
    again.close()


def test_a_lock_is_told_and_overcome(path: Path) -> None:
    store = SessionWriter(path)
    store.open()
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    for event in unary(1):
        store.emit(event)
    assert not store.flush(1.5)
    assert "locked by another program" in store.status()["error"]
    blocker.execute("COMMIT")
    blocker.close()
    assert store.flush(20)
    assert store.status()["error"] == ""
    assert [call.id for call in store.restore(10)] == [1]
    store.close()


def test_another_loom_has_the_session(path: Path, store: SessionWriter) -> None:
    second = SessionWriter(path)
    second.open()
    second.emit(unary(1)[0])
    assert not second.active
    assert second.status()["error"] == (
        f"session 'default' is in use by another Loom (process {os.getpid()}): this run is not kept; "
        "give each its own --session NAME"
    )
    second.close()
    emit(store, *unary(2))  # the first goes on


def test_the_lock_ends_with_its_holder(path: Path, store: SessionWriter) -> None:
    store.close()
    lock = SessionLock(path)
    lock.take()
    lock.release()


def test_a_full_disk_is_told_and_traffic_goes_on(path: Path, store: SessionWriter) -> None:
    emit(store, *unary(1))
    connection = store._connection
    assert connection is not None
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages}")
    for event in unary(2, dense(1_000_000)):
        store.emit(event)
    assert not store.flush(1.0)
    assert store.status()["error"] == f"the disk is full: calls are not kept in {path} until there is room"
    connection.execute("PRAGMA max_page_count=1000000")
    assert store.flush(20)
    assert store.status()["error"] == ""
    assert [call.id for call in store.restore(10)] == [1, 2]


@pytest.mark.parametrize("had_calls", [False, True])
def test_a_disk_that_is_full_at_the_start_is_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, had_calls: bool
) -> None:
    if had_calls:
        before = SessionWriter(path)
        before.open()
        emit(before, *unary(1))
        before.close()
    monkeypatch.setattr(store_module, "_RETRY", 0.05)
    full = True

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        if full and "mode=ro" not in str(arguments[0]):
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorname = "SQLITE_FULL"
            raise error
        return real(*arguments, **options)

    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", connect)
    store = SessionWriter(path)
    store.open()
    said = f"the disk is full: calls are not kept in {path} until there is room"
    assert (store.active, store.status()["error"]) == (False, said)
    first = store.last_id + 1
    assert first == (2 if had_calls else 1)
    assert len(store.restore(10)) == first - 1
    for event in unary(first):
        store.emit(event)
    assert not store.flush(0.2)
    assert store.status()["error"] == said
    full = False
    assert store.flush(10)
    assert (store.active, store.status()["error"]) == (True, "")
    assert [call.id for call in store.restore(10)] == list(range(1, first + 1))
    store.close()


@pytest.mark.parametrize(
    "content", [b"this is no database, but long enough for SQLite to look at it" * 20, b"short"]
)
def test_a_damaged_file_is_told(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    store = SessionWriter(path)
    store.open()
    store.emit(unary(1)[0])
    assert f"{path} is damaged" in store.status()["error"]
    assert "choose another --session" in store.status()["error"]
    assert store.restore(10) == []
    store.close()
    assert path.read_bytes() == content


def test_a_damaged_batch_is_passed_over(path: Path, store: SessionWriter) -> None:
    emit(store, *unary(1))
    emit(store, *unary(2))
    emit(store, *unary(3))
    store.close()
    change(path, "UPDATE batches SET events = x'dc00' WHERE seq = 2")
    with SessionReader(path) as reader:
        assert [call.id for call in reader.calls()] == [1, 3]
        assert len(reader.damaged) == 1
        assert "batch 2 is damaged" in reader.damaged[0]


def test_what_cannot_be_read_at_the_next_start_is_told(
    path: Path, store: SessionWriter, caplog: pytest.LogCaptureFixture
) -> None:
    for call_id in range(1, 4):
        emit(store, *unary(call_id))
    store.put_descriptors(StoredDescriptorSet("a:1", "reflection v1", "a:1", 5, b"set"))
    emit(store, *unary(4))
    store.close()
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
    assert status["error"] == ""
    assert status["problems"] == [
        f"{path}: batch 2 is damaged and was passed over: it is not compressed",
        f"{path}: some of its descriptors could not be read",
    ]
    assert all(line in caplog.text for line in status["problems"])
    again.close()


def test_counters_that_are_lost_are_damage(path: Path, store: SessionWriter) -> None:
    store.close()
    change(path, "UPDATE facts SET value = 'x' WHERE name = 'last_id'")
    again = SessionWriter(path)
    again.open()
    assert not again.active
    assert again.status()["error"].startswith(f"{path} is damaged (its counters are lost)")


def test_a_table_that_is_not_there_is_damage(path: Path, store: SessionWriter) -> None:
    store.close()
    change(path, "DROP TABLE facts", "DROP TABLE batches")
    again = SessionWriter(path)
    again.open()
    assert f"{path} is damaged (no such table: facts)" in again.status()["error"]
    with SessionReader(path) as reader:
        assert reader.totals().calls == 0
        assert reader.damaged[0] == f"{path}: it is damaged: its batches could not be found"


def test_pruning_passes_over_a_damaged_batch(path: Path) -> None:
    store = SessionWriter(path, budget=2_000_000)
    store.open()
    emit(store, *began(1))
    emit(store, *unary(2, dense(200_000)))
    change(path, "UPDATE batches SET events = x'dc00' WHERE seq = 2")
    for call_id in range(3, 31):
        emit(store, message(1, DOWN, b"y"), *unary(call_id, dense(200_000)))
    assert store.status()["error"] == ""
    assert store.status()["pruned"] >= 10
    store.close()


def test_a_file_of_a_newer_loom_is_refused(path: Path, store: SessionWriter) -> None:
    store.close()
    change(path, "PRAGMA user_version=99")
    store.open()
    assert "was written by a newer Loom (session format 99; this one reads 5)" in store.status()["error"]
    with pytest.raises(SessionError, match="newer Loom"):
        SessionReader(path)


def test_a_database_of_something_else_is_left_alone(path: Path) -> None:
    path.parent.mkdir(parents=True)
    change(path, "CREATE TABLE notes (text)")
    store = SessionWriter(path)
    store.open()
    assert "is a database, but no session of Loom" in store.status()["error"]
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("notes",)]
    connection.close()


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = SessionWriter(session_path("default", tmp_path / "file" / "sessions"))
    store.open()
    for event in unary(1):
        store.emit(event)
    assert "set LOOM_DATA_DIR to a directory that you may write to" in store.status()["error"]
    store.close()
