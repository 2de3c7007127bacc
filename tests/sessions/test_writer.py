"""A session gives back the calls that were written, within its limits."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

from loom.model import CallState, Kind, StoredDescriptorSet
from loom.model.projection import INTERRUPTED, events_of
from loom.sessions import SessionReader, SessionWriter
from loom.sessions.database import open_for_writing
from loom.sessions.writer import DEFAULT_FLUSH_INTERVAL
from tests.support.traffic import DOWN, UP, altered, began, dense, ended, many, message, recorded, unary

from .conftest import emit

ROOT = Path(__file__).parents[2]


def test_gives_back_calls_as_the_recorder_had_them(writer: SessionWriter) -> None:
    events = [
        *unary(1),
        *unary(2),
        *began(3),
        message(3, UP, b""),
        message(3, DOWN, b"x" * 100_000),
        *ended(3),
        *altered(4),
    ]
    emit(writer, *events)
    expected = recorded(*events)
    for call in expected:
        call.restored = True
    found = writer.restore(10)
    assert [list(call.messages) for call in found] == [list(call.messages) for call in expected]
    for call, wanted in zip(found, expected, strict=True):
        call.messages = wanted.messages
    assert found == expected
    assert writer.status().written == 4


def test_only_the_newest_are_restored(writer: SessionWriter) -> None:
    emit(writer, *many(1, 500))
    assert [call.id for call in writer.restore(3)] == [498, 499, 500]
    assert writer.restore(0) == []


def test_a_restore_reads_a_bounded_amount(writer: SessionWriter) -> None:
    for call_id in range(1, 9):
        emit(writer, *unary(call_id, b"x" * 300_000))
    assert [call.id for call in writer.restore(100, max_bytes=1_000_000)] == [6, 7, 8]


def test_ids_go_on_after_those_of_the_earlier_run(path: Path, writer: SessionWriter) -> None:
    emit(writer, *many(1, 7))
    writer.close()
    again = SessionWriter(path)
    again.open()
    assert again.last_id == 7
    assert [call.id for call in again.restore(2)] == [6, 7]
    again.close()


def test_a_stream_is_on_disk_before_it_ends(path: Path, writer: SessionWriter) -> None:
    emit(writer, *began(1), message(1, UP, b"one"))
    emit(writer, *unary(2), message(1, DOWN, b"two"))
    with SessionReader(path, live_from=1) as reader:
        [call] = reader.find([1])
    assert call.state is CallState.LIVE
    assert [held.data for held in call.messages] == [b"one", b"two"]


def test_an_interrupted_call_is_ended_at_the_next_start(path: Path, writer: SessionWriter) -> None:
    emit(writer, *began(1), message(1, UP, b"one"))
    writer.close()
    with SessionReader(path) as reader:
        [call] = reader.newest(10, 1 << 20)
    assert call.state is CallState.ENDED
    assert call.note == INTERRUPTED
    assert call.ended_ns == call.last_request_ns


def test_the_declared_kind_is_stored(path: Path) -> None:
    writer = SessionWriter(
        path, declared_kind=lambda method: Kind.SERVER if method.endswith("GetOrder") else None
    )
    writer.open()
    emit(writer, *unary(1))
    assert writer.restore(1)[0].declared_kind is Kind.SERVER
    writer.close()


def test_a_kind_that_is_declared_later_is_stored(path: Path) -> None:
    known: dict[str, Kind] = {}
    writer = SessionWriter(path, declared_kind=known.get)
    writer.open()
    emit(writer, *unary(1), *began(2, "/other.Service/Method"))
    assert [call.declared_kind for call in writer.restore(2)] == [None, None]
    known["/acme.shop.v1.Shop/GetOrder"] = Kind.BIDI
    emit(writer, *unary(3))
    assert [call.declared_kind for call in writer.restore(3)] == [Kind.BIDI, None, Kind.BIDI]
    writer.close()


def test_an_imported_call_says_its_kind_itself(path: Path) -> None:
    writer = SessionWriter(path, declared_kind=lambda _: Kind.SERVER)
    writer.open()
    first, second = recorded(*unary(1), *unary(2))
    first.declared_kind = Kind.BIDI
    for call in (first, second):
        emit(writer, *events_of(call))
    assert [call.declared_kind for call in writer.restore(2)] == [Kind.BIDI, None]
    writer.close()


def test_repeated_calls_take_little_room(path: Path, writer: SessionWriter) -> None:
    before = path.stat().st_size
    emit(writer, *many(1, 5000))
    writer.close()
    assert path.stat().st_size - before < 5000 * 100


def test_descriptor_sets_are_stored_once(path: Path, writer: SessionWriter) -> None:
    for fetched_ns in (5, 6):
        writer.put_descriptors(StoredDescriptorSet("a:1", "reflection v1", "a:1", fetched_ns, b"set"))
    assert writer.flush()
    with SessionReader(path) as reader:
        [descriptors] = reader.descriptors()
    assert (descriptors.file_set, descriptors.source, descriptors.fetched_ns) == (b"set", "reflection v1", 6)


def test_files_are_for_their_owner_only(path: Path, writer: SessionWriter) -> None:
    emit(writer, *unary(1))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    kept = sorted(path.parent.iterdir())
    assert len(kept) >= 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in kept} == {0o600}


def test_rights_that_were_too_wide_are_narrowed(path: Path, writer: SessionWriter) -> None:
    writer.close()
    path.chmod(0o644)
    open_for_writing(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_text_that_is_not_unicode_drops_one_event(path: Path, writer: SessionWriter) -> None:
    emit(writer, *began(1, "/bad/\udcff"), *unary(2))
    with SessionReader(path) as reader:
        assert [call.id for call in reader.calls()] == [2]


def test_the_queue_is_bounded_and_counts_what_it_drops(path: Path) -> None:
    writer = SessionWriter(path, queue_budget=100_000)
    writer.open()
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    for event in [*began(1), message(1, UP, b"x" * 200_000), *ended(1), *many(2, 500)]:
        writer.emit(event)
    status = writer.status()
    assert status.dropped_bytes == 200_000
    assert status.dropped > 1000
    assert status.waiting_bytes <= 100_000 + 500
    blocker.execute("COMMIT")
    blocker.close()
    assert writer.flush(20)
    [call] = [call for call in writer.restore(1000) if call.id == 1]
    assert call.request_bytes == 200_000
    assert call.dropped_bytes == 200_000
    [held] = call.messages
    assert (held.data, held.size) == (None, 200_000)
    writer.close()


def test_past_the_budget_the_oldest_go(path: Path) -> None:
    writer = SessionWriter(path, budget=2_000_000)
    writer.open()
    for call_id in range(1, 41):
        emit(writer, *unary(call_id, dense(200_000)))
    status = writer.status()
    assert status.bytes <= 2_000_000
    assert status.pruned >= 30
    found = writer.restore(100)
    assert [call.id for call in found] == list(range(found[0].id, 41))
    assert len(found) >= 5
    size = sum(part.stat().st_size for part in path.parent.glob("*.db"))
    assert size < 4_000_000
    writer.close()


def test_a_stream_outlives_the_batch_that_it_began_in(path: Path) -> None:
    writer = SessionWriter(path, budget=2_000_000)
    writer.open()
    emit(writer, *began(1), message(1, UP, b"first"))
    for call_id in range(2, 41):
        emit(writer, *unary(call_id, dense(200_000)))
        emit(writer, message(1, DOWN, b"y" * call_id))
    emit(writer, *ended(1))
    with SessionReader(path) as reader:
        [call] = [call for call in reader.calls() if call.id == 1]
    assert (call.request_messages, call.response_messages) == (1, 39)
    assert call.response_bytes == sum(range(2, 41))
    held = list(call.messages)
    assert (held[0].size, held[0].data) == (5, None)
    assert held[-1].data == b"y" * 40
    assert call.request_metadata[0] == ("x-tenant", "42")
    writer.close()


def test_written_calls_survive_a_kill(path: Path) -> None:
    """A process that writes without a flush, killed with SIGKILL while its files are open and a call is in flight."""
    program = textwrap.dedent("""
        import sys, threading
        from pathlib import Path
        from loom.sessions import SessionWriter
        from tests.support.traffic import began, many, message, UP

        writer = SessionWriter(Path(sys.argv[1]))
        writer.open()
        for event in [*began(201), message(201, UP, b"open"), *many(1, 200)]:
            writer.emit(event)
        pause = threading.Event()
        while writer.written_calls < 200:
            pause.wait(0.01)
        print("written", flush=True)
        pause.wait()
    """)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    again = SessionWriter(path)
    again.open()
    assert again.status().error == ""
    found = again.restore(3000)
    assert len(found) == 201
    assert found[-1].note == INTERRUPTED
    assert [held.data for held in found[-1].messages] == [b"open"]
    again.close()


def test_the_flush_interval_is_below_what_is_documented() -> None:
    """At most a quarter of a second is lost (docs/how-to/sessions.md); most of it is left for writing."""
    assert DEFAULT_FLUSH_INTERVAL <= 0.1


def test_closing_writes_the_queue(path: Path, writer: SessionWriter) -> None:
    for event in many(1, 3000):
        writer.emit(event)
    writer.close()
    with SessionReader(path) as reader:
        totals = reader.totals()
    assert (totals.calls, totals.ended, totals.last_id) == (3000, 3000, 3000)
