"""A damaged session is read but for the pages that are damaged."""

import sqlite3
from pathlib import Path

import pytest

from loom.model import StoredDescriptorSet
from loom.sessions import SessionError, SessionReader, SessionWriter, session_path
from tests.support.databases import change
from tests.support.traffic import dense, unary

CALLS = 40
BYTES = 60_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A session of forty batches of one call each, four pages long."""
    path = session_path("default", tmp_path / "sessions")
    writer = SessionWriter(path)
    writer.open()
    writer.put_descriptors(StoredDescriptorSet("a:1", "reflection v1", "a:1", 5, b"set"))
    for call_id in range(1, CALLS + 1):
        for event in unary(call_id, dense(BYTES)):
            writer.emit(event)
        assert writer.flush()
    writer.close()
    return path


def page_of(path: Path, table: str) -> tuple[int, int]:
    """Where the first page of a table is, and how long a page is."""
    connection = sqlite3.connect(path)
    root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.close()
    return (root - 1) * size, size


def overwrite(path: Path, start: int, length: int) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xa5" * length)


def read(path: Path) -> tuple[list[int], list[str]]:
    with SessionReader(path) as reader:
        return [call.id for call in reader.calls()], reader.damaged


def test_pages_in_the_middle(path: Path) -> None:
    overwrite(path, path.stat().st_size // 2, 200_000)
    found, damaged = read(path)
    assert CALLS - 8 <= len(found) < CALLS
    assert {1, CALLS} <= set(found)
    assert found == sorted(found)
    assert damaged
    assert all("skipped" in line and line.startswith(f"{path}: ") for line in damaged)


def test_the_newest_calls_are_read_beyond_damage(path: Path) -> None:
    overwrite(path, path.stat().st_size // 2, 200_000)
    with SessionReader(path) as reader:
        ids = [call.id for call in reader.newest(CALLS, 1 << 30)]
    assert {1, CALLS} <= set(ids)
    assert len(ids) >= CALLS - 8


def test_a_file_that_lost_its_end(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    found, damaged = read(path)
    assert len(found) > CALLS // 3
    assert found == list(range(1, len(found) + 1))
    assert damaged[0] == f"{path}: its end is missing"
    assert "could not be read and were skipped" in damaged[1]
    with SessionReader(path) as reader:
        totals = reader.totals()
        assert totals.calls >= len(found)
        assert totals.first_ns > 0


def test_a_damaged_table_of_batches_is_reported(path: Path) -> None:
    overwrite(path, *page_of(path, "batches"))
    assert read(path) == (
        [],
        [f"{path}: {CALLS} batches between 1 and {CALLS} could not be read and were skipped"],
    )


def test_counters_and_descriptors_may_be_lost(path: Path) -> None:
    for table in ("facts", "descriptors"):
        overwrite(path, *page_of(path, table))
    with SessionReader(path) as reader:
        totals = reader.totals()
        assert (totals.calls, totals.last_id) == (CALLS, 0)
        assert reader.descriptors() == []
        assert len(list(reader.calls())) == CALLS
        assert reader.damaged == [
            f"{path}: its counters could not be read",
            f"{path}: some of its descriptors could not be read",
        ]


def test_a_file_that_is_cut_down_to_nothing_is_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(SessionError, match="is damaged"):
        SessionReader(path)


def test_a_directory_that_cannot_be_written_to_is_read_from(path: Path) -> None:
    """SQLite keeps files beside a database, even to read it; here one is in the way, as a read-only medium is."""
    path.with_name(f"{path.name}-wal").mkdir()
    assert read(path) == (list(range(1, CALLS + 1)), [])


def test_a_lock_is_no_damage(path: Path) -> None:
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("PRAGMA locking_mode=EXCLUSIVE")
    blocker.execute("BEGIN EXCLUSIVE")
    with pytest.raises(SessionError, match="is locked by another program"):
        SessionReader(path)
    blocker.close()


def test_much_damage_is_reported_in_few_lines(path: Path) -> None:
    change(path, "UPDATE batches SET events = x'00' WHERE seq > 5")
    with SessionReader(path) as reader:
        for _ in range(2):
            assert len(list(reader.calls())) == 5
        assert len(reader.damaged) == 21
        assert reader.damaged[-1] == f"{path}: and {CALLS - 5 - 20} more"
