"""Sessions damaged in a hundred ways: intact calls are read, damage is reported, and nothing is invented."""

import contextlib
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from click.testing import CliRunner

from loom.cli.sessions import command
from loom.decoding.stored_schema import StoredSchema
from loom.errors import LoomError
from loom.formats.call_file import CallFile
from loom.model import Call, Kind, StoredDescriptorSet
from loom.sessions import SessionReader, SessionWriter, session_path
from tests.support.databases import change
from tests.support.traffic import DOWN, began, dense, ended, many, message, unary

STREAM = 1
LAST = 300
PAGE = 16 * 1024
SETS = [
    StoredDescriptorSet(f"a:{port}", "reflection v1", "a:1", port, b"\x0a\x02\x0a" + bytes([port]))
    for port in range(1, 4)
]


@pytest.fixture(scope="module")
def session_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A session of small calls, large ones, and a stream that continues through all batches."""
    path = session_path("whole", tmp_path_factory.mktemp("whole"))
    writer = SessionWriter(path, declared_kind=lambda _: Kind.UNARY)
    writer.open()
    for item in SETS:
        writer.put_descriptors(item)
    for event in began(STREAM, "/acme.shop.v1.Shop/Watch"):
        writer.emit(event)
    for first in range(2, LAST, 10):
        for event in many(first, first + 6):
            writer.emit(event)
        for call_id in range(first + 7, first + 10):
            for event in unary(call_id, dense(call_id * 50), dense(call_id * 30)):
                writer.emit(event)
        writer.emit(message(STREAM, DOWN, dense(100 + first), first))
        assert writer.flush()
    for event in ended(STREAM):
        writer.emit(event)
    writer.close()
    content = path.read_bytes()
    assert len(content) > 500_000
    return content


@pytest.fixture(scope="module")
def expected(session_bytes: bytes, tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[bytes | None]]:
    path = session_path("read", tmp_path_factory.mktemp("read"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(session_bytes)
    with SessionReader(path) as reader:
        return payloads(reader.calls())


def payloads(calls: Iterator[Call]) -> dict[int, list[bytes | None]]:
    return {call.id: [item.data for item in call.messages] for call in calls}


def damages(content: bytes) -> Iterator[tuple[str, bytes]]:
    chance = random.Random(11)
    for size in [100, 188_159, 180_324, *(chance.randrange(len(content)) for _ in range(40))]:
        yield f"cut at {size}", content[:size]
        # Where the header's number of pages is an old one, SQLite goes by the length of the file.
        yield f"cut unnoticed at {size}", content[:92] + bytes(4) + content[96:size]
    places = [0, 524_296, *(number * PAGE for number in range(14))]
    places += [chance.randrange(len(content)) for _ in range(60)]
    for place in places:
        for length in (200, 4000, 40_000):
            end = min(place + length, len(content))
            filled = bytes(end - place) if chance.random() < 0.5 else chance.randbytes(end - place)
            yield f"{length} bytes at {place}", content[:place] + filled + content[end:]


def test_intact_calls_are_read_and_nothing_is_invented(
    session_bytes: bytes, expected: dict[int, list[bytes | None]], tmp_path: Path
) -> None:
    path = session_path("default", tmp_path / "sessions")
    path.parent.mkdir()
    read, refused = 0, []
    for what, content in damages(session_bytes):
        path.write_bytes(content)
        try:
            salvaged_calls, problems = everything(path)
        except LoomError as error:
            refused.append(str(error))
            continue
        read += 1
        for call_id, bodies in salvaged_calls.items():
            if call_id == STREAM:  # it may have lost some
                assert set(bodies) <= set(expected[STREAM]), what
            else:
                assert bodies == expected[call_id], what
        if salvaged_calls != expected:
            assert problems, what
        if what.startswith(("200 ", "4000 ")) and int(what.split()[-1]) > 14 * PAGE:
            assert len(salvaged_calls) > LAST * 0.6, what  # two pages at most
    assert read > 100
    assert all(f"{path} is damaged" in line for line in refused)


def everything(path: Path) -> tuple[dict[int, list[bytes | None]], list[str]]:
    """The results of every query of a reader."""
    with SessionReader(path) as reader:
        reader.totals()
        salvaged_calls = payloads(reader.calls())
        newest = reader.newest(20, 1 << 24)
        assert {call.id for call in newest} <= salvaged_calls.keys()
        for item in reader.descriptors():
            assert item in SETS
        assert reader.descriptors() == SETS[::-1] or reader.damaged
        for call_id in (2, 150, LAST):
            assert payloads(iter(reader.find([call_id]))).get(call_id) == salvaged_calls.get(call_id)
        return salvaged_calls, reader.damaged


def test_commands_and_the_next_start_survive_damage(session_bytes: bytes, tmp_path: Path) -> None:
    run = CliRunner().invoke
    directory = tmp_path / "sessions"
    path = session_path("default", directory)
    for number, (what, content) in enumerate(damages(session_bytes)):
        if number % 3:
            continue
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        path.write_bytes(content)
        for arguments in (["list"], ["show", "default"], ["export", "default"]):
            result = run(command, ["--data-dir", str(tmp_path), *arguments])
            assert result.exception is None or isinstance(result.exception, SystemExit | LoomError), (
                what, arguments, result.exception,
            )  # fmt: skip
        with (
            contextlib.suppress(LoomError),
            CallFile(path) as file,
        ):  # as 'loom open' and 'loom replay' do
            incoming = file.read()
            list(incoming.calls)
            StoredSchema(incoming.descriptors)
        writer = SessionWriter(path)
        writer.open()
        writer.restore(1000)
        writer.stored_descriptors()
        writer.close()


COLUMNS = "seq, first_id, last_id, started, ended, first_ns, last_ns, size, events"
ENDLESS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, i, i, i, i, i, i, i, i FROM n"
)


@pytest.mark.parametrize(
    "statements",
    [
        ["DROP TABLE batches", f"CREATE VIEW batches({COLUMNS}) AS {ENDLESS}"],
        ["DROP TABLE facts", f"CREATE VIEW facts(name, value) AS SELECT i, i FROM ({ENDLESS})"],
        ["DROP TABLE kinds", "CREATE VIRTUAL TABLE kinds USING fts5(method, kind)"],
        ["ALTER TABLE descriptors ADD COLUMN x GENERATED ALWAYS AS (zeroblob(1000000000))"],
    ],
    ids=["a view", "a view of counters", "a virtual table", "a generated column"],
)  # fmt: skip
def test_what_is_not_an_ordinary_table_is_refused(
    tmp_path: Path, session_bytes: bytes, statements: list[str]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(session_bytes)
    change(path, *statements)
    with (
        pytest.raises(LoomError, match=r"not a Loom session: .* is not an ordinary table"),
        CallFile(path) as file,
    ):
        list(file.read().calls)


def test_a_frame_that_claims_to_be_huge_is_not_decompressed(tmp_path: Path, session_bytes: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(session_bytes)
    frame = zstandard.FRAME_HEADER + b"\xe0" + (2**45).to_bytes(8, "little") + b"\x01\x00\x00"
    change(path, f"UPDATE batches SET events = x'{frame.hex()}' WHERE seq = 3")
    with CallFile(path) as file:
        content = file.read()
        assert len(list(content.calls)) > LAST // 2
    assert content.problems == [
        f"{path}: batch 3 is damaged and was skipped: it decompresses to more than {4 * 1024**3} bytes"
    ]
