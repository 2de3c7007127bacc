"""A disk that comes and goes: files removed, replaced, unmounted, full, read-only or failing while Loom writes."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loom.model import Kind, StoredDescriptorSet
from loom.sessions import SessionReader, SessionWriter, session_path
from loom.sessions.paths import session_files
from tests.support.traffic import dense, unary

from .conftest import emit

if sys.platform != "win32":
    import resource

DESCRIPTORS = StoredDescriptorSet("a:1", "reflection v1", "a:1", 5, b"set")


@pytest.fixture
def writer(path: Path) -> Iterator[SessionWriter]:
    writer = SessionWriter(path, retry_interval=0.05, declared_kind=lambda _: Kind.UNARY)
    writer.mask(["x-key"])
    writer.open()
    writer.put_fault_seed(1, 7)
    writer.put_descriptors(DESCRIPTORS)
    emit(writer, *unary(1))
    yield writer
    writer.close()


def stored(path: Path) -> list[int]:
    """The ids of the calls in a session that is sound."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with SessionReader(path) as reader:
        ids = [call.id for call in reader.newest(100, 1 << 30)]
        assert reader.damaged == []
    return ids


def remove_file(path: Path) -> None:
    for part in session_files(path):
        part.unlink()


def remove_database(path: Path) -> None:
    path.unlink()


def remove_directory(path: Path) -> None:
    shutil.rmtree(path.parent.parent)


def move_away(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


def move_database_away(path: Path) -> None:
    (path.parent.parent / "elsewhere").mkdir()
    path.rename(path.parent.parent / "elsewhere" / path.name)


@pytest.mark.parametrize(
    "remove", [remove_file, remove_database, remove_directory, move_away, move_database_away]
)
def test_a_new_file_takes_the_place_of_one_that_is_gone(
    remove: Callable[[Path], None], path: Path, writer: SessionWriter
) -> None:
    remove(path)
    emit(writer, *unary(2))
    status = writer.status()
    assert (status.error, status.dropped) == ("", 0)
    [problem] = status.problems
    assert problem == (
        f"{path} was removed or replaced while Loom was running: "
        "1 calls of this run that were stored in it are not in the new file"
    )
    assert stored(path) == [2]
    assert writer.masked() == ["x-key"]
    assert writer.stored_descriptors() == [DESCRIPTORS]
    with SessionReader(path) as reader:
        assert reader.fault_seeds() == {1: 7}
        assert [call.kind for call in reader.newest(1, 1 << 20)] == [Kind.UNARY]
    if remove in {move_away, move_database_away}:
        assert stored(path.parent.with_name("elsewhere") / path.name) == [1]


def test_a_file_that_comes_back_is_written_on(path: Path, writer: SessionWriter) -> None:
    directory, aside = path.parent, path.parent.with_name("aside")
    directory.rename(aside)
    emit(writer, *unary(2))
    shutil.rmtree(directory)
    aside.rename(directory)
    emit(writer, *unary(3))
    assert stored(path) == [1, 3]
    assert writer.status().error == ""


@pytest.mark.parametrize("part", ["-wal", "-shm"])
def test_a_file_beside_the_database_that_is_gone_costs_nothing(
    part: str, path: Path, writer: SessionWriter
) -> None:
    path.with_name(path.name + part).unlink()
    emit(writer, *unary(2))
    assert stored(path) == [1, 2]
    assert writer.status().problems == []


def test_a_copy_from_before_the_run_is_written_on(path: Path, writer: SessionWriter) -> None:
    writer.close()
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    again = SessionWriter(path, retry_interval=0.05)
    again.open()
    emit(again, *unary(2))
    copy.replace(path)
    emit(again, *unary(3))
    assert stored(path) == [1, 3]
    again.close()


def test_a_session_of_other_calls_is_left_alone(path: Path, writer: SessionWriter, tmp_path: Path) -> None:
    other = session_path("other", tmp_path)
    stranger = SessionWriter(other)
    stranger.open()
    emit(stranger, *unary(70))
    stranger.close()
    shutil.rmtree(path.parent)
    path.parent.mkdir()
    shutil.move(other, path)
    for event in unary(2):
        writer.emit(event)
    while not writer.status().error:
        assert not writer.flush(0.1)
    assert "it has calls of another run, whose ids are in use" in writer.status().error
    assert stored(path) == [70]
    path.unlink()
    assert writer.flush(10)
    assert stored(path) == [2]
    assert writer.status().error == ""


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
def test_a_disk_that_fails_is_reported_and_retried(path: Path, writer: SessionWriter) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))  # writing past it is an I/O error
    try:
        for event in unary(2, dense(1_000_000)):
            writer.emit(event)
        assert not writer.flush(0.5)
        error = writer.status().error
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (
        error == f"the disk fails: calls are not stored in {path} until it can be written to (disk I/O error)"
    )
    assert writer.flush(10)
    assert stored(path) == [1, 2]
    assert writer.status().error == ""


def mount(*arguments: str) -> bool:
    return (
        shutil.which("mount") is not None
        and not subprocess.run(["mount", *arguments], check=False, capture_output=True).returncode
    )


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte."""
    point = tmp_path / "disk"
    point.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", str(point)):
        pytest.skip("this user may not mount file systems")
    yield point
    while os.path.ismount(point):
        subprocess.run(["umount", "-l", str(point)], check=True)


def test_a_full_disk_gets_room(disk: Path) -> None:
    path = session_path("default", disk / "sessions")
    writer = SessionWriter(path, retry_interval=0.05)
    writer.open()
    emit(writer, *unary(1))
    (disk / "other").write_bytes(bytes(300_000))
    for event in unary(2, dense(500_000)):
        writer.emit(event)
    assert not writer.flush(0.5)
    assert writer.status().error == f"the disk is full: calls are not stored in {path} until there is room"
    (disk / "other").unlink()
    assert mount("-o", "remount,size=8m", str(disk))
    assert writer.flush(10)
    assert writer.status().error == ""
    assert stored(path) == [1, 2]
    writer.close()


def test_what_the_queue_cannot_hold_meanwhile_is_counted(
    disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = session_path("default", disk / "sessions")
    writer = SessionWriter(path, retry_interval=0.05, queue_budget=600_000)
    writer.open()
    emit(writer, *unary(1))
    with contextlib.suppress(OSError), (disk / "other").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    for call_id in range(2, 300):
        for event in unary(call_id, dense(20_000 + call_id)):
            writer.emit(event)
    assert not writer.flush(0.5)
    status = writer.status()
    lost = f"{status.dropped:,} events of calls and {status.dropped_bytes:,} bytes of messages"
    assert status.dropped > 100
    assert status.problems == [f"{lost} could not be stored"]
    assert mount("-o", "remount,size=32m", str(disk))
    assert writer.flush(10)
    assert writer.status().error == ""
    assert f"calls are stored in {path} again; {lost} are lost" in caplog.messages
    emit(writer, *unary(300))
    assert stored(path)[-1] == 300
    writer.close()


def test_a_disk_that_is_read_only_at_the_start(disk: Path) -> None:
    path = session_path("default", disk / "sessions")
    before = SessionWriter(path)
    before.open()
    emit(before, *unary(1))
    before.close()
    assert mount("-o", "remount,ro", str(disk))
    writer = SessionWriter(path, retry_interval=0.05)
    writer.open()
    assert "cannot be written to" in writer.status().error
    assert writer.last_id == 1
    for event in unary(2):
        writer.emit(event)
    assert not writer.flush(0.2)
    assert mount("-o", "remount,rw", str(disk))
    assert writer.flush(10)
    assert writer.status().error == ""
    assert stored(path) == [1, 2]
    writer.close()


def test_a_disk_that_is_unmounted_and_mounted_again(disk: Path, tmp_path: Path) -> None:
    point = tmp_path / "point"
    point.mkdir()
    assert mount("--bind", str(disk), str(point))
    path = session_path("default", point / "sessions")
    writer = SessionWriter(path, retry_interval=0.05)
    writer.open()
    emit(writer, *unary(1))
    subprocess.run(["umount", "-l", str(point)], check=True)
    emit(writer, *unary(2))
    assert stored(path) == [2]
    assert mount("--bind", str(disk), str(point))
    try:
        emit(writer, *unary(3))
        assert stored(path) == [1, 3]
        assert writer.status().error == ""
        writer.close()
    finally:
        subprocess.run(["umount", "-l", str(point)], check=True)
