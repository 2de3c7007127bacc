"""``loom sessions`` on real files."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from loom.archive.call_importer import CallImporter
from loom.cli import main
from loom.model import Call
from loom.search import file_client
from loom.sessions import SessionWriter, session_path
from tests.support.child_processes import kill_children
from tests.support.exports import bomb, export, imported
from tests.support.session_files import write_session
from tests.support.traffic import dense, recorded, unary


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOOM_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def session_file(data: Path) -> Path:
    """The session "mine" with three calls."""
    path = session_path("mine", data / "sessions")
    write_session(path, recorded(*unary(1), *unary(2, b"\x0a\x03two"), *unary(3))).close()
    return path


class Ran:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def loom(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    def run(*words: str) -> Ran:
        with pytest.raises(SystemExit) as exited:
            main(["sessions", *words])
        captured = capsys.readouterr()
        return Ran(int(exited.value.code or 0), captured.out, captured.err)

    return run


def test_lists(loom: Callable[..., Ran], session_file: Path, data: Path) -> None:
    (data / "sessions" / "broken.loom.db").write_bytes(b"no database" * 100)
    listed = loom("list")
    assert listed.code == 0
    rows = {line.split()[0]: line for line in listed.out.splitlines()[1:]}
    assert " 3 " in rows["mine"]
    assert "is damaged" in rows["broken"]
    content = session_file.read_bytes()
    session_file.write_bytes(content[: len(content) - 40_000])
    assert "its end is missing" in loom("list").out
    session_file.write_bytes(content)
    described = {item["name"]: item for item in map(json.loads, loom("list", "--json").out.splitlines())}
    assert (described["mine"]["calls"], described["mine"]["error"]) == (3, None)


def test_without_a_subcommand_the_help_is_printed(loom: Callable[..., Ran]) -> None:
    ran = loom()
    assert ran.code == 2
    assert ran.err.startswith("Usage: ")
    assert ran.err.count("\n") > 10


def test_lists_nothing(loom: Callable[..., Ran], data: Path) -> None:
    assert loom("list").out == f"no sessions in {data / 'sessions'}\n"


def test_shows(loom: Callable[..., Ran], session_file: Path) -> None:
    shown = loom("show", "mine")
    assert shown.code == 0
    assert "calls     3" in shown.out
    assert "schema    reflection v1 of 127.0.0.1:1" in shown.out
    assert shown.out.count("/acme.shop.v1.Shop/GetOrder") == 3


def test_a_session_that_is_not_there(loom: Callable[..., Ran], session_file: Path) -> None:
    for words in (("show", "other"), ("delete", "other", "--yes"), ("export", "other")):
        ran = loom(*words)
        assert ran.code == 2
        assert "no session 'other' in" in ran.err
        assert "existing sessions: mine" in ran.err
        assert ran.err.count("\n") == 1


def test_deletes(loom: Callable[..., Ran], session_file: Path) -> None:
    assert loom("delete", "mine", "--yes").code == 0
    assert list(session_file.parent.iterdir()) == []


def test_does_not_delete_a_session_in_use(loom: Callable[..., Ran], session_file: Path) -> None:
    store = write_session(session_file, [])
    ran = loom("delete", "mine", "--yes")
    who = f"loom: session 'mine' is in use by another Loom (process {os.getpid()})"
    assert (ran.code, ran.err) == (2, f"{who}: stop that one first, or choose another session\n")
    assert session_file.exists()
    ran = loom("import", str(session_file), "--session", "mine")
    assert (ran.code, ran.err) == (2, f"{who}: stop that one first, or choose another session\n")
    assert loom("show", "mine").code == 0  # reading is allowed
    store.close()


def test_exports_and_imports(loom: Callable[..., Ran], session_file: Path, data: Path) -> None:
    out = data / "calls.ndjson"
    assert loom("export", "mine", "-o", str(out), "--reveal").code == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert b"s3cret" in out.read_bytes()
    ran = loom("import", str(out), "--session", "copy")
    assert (ran.code, ran.out) == (0, f"3 calls from {out} (ndjson) are in session 'copy'\n")
    again = data / "again.ndjson"
    assert loom("export", "copy", "-o", str(again), "--reveal").code == 0
    assert again.read_bytes() == out.read_bytes()
    assert loom("import", str(session_file), "--session", "copy").out.endswith(
        "(session) are in session 'copy'\n"
    )
    assert "calls     6" in loom("show", "copy").out


def test_an_imported_replay_refers_to_its_imported_call(loom: Callable[..., Ran], data: Path) -> None:
    """Where it ended first, and where its call did not come along."""
    first, early, of_replay, alone = recorded(*unary(1), *unary(2), *unary(3), *unary(4))
    early.replay_of, of_replay.replay_of, alone.replay_of = 1, 2, 99
    out = data / "calls.ndjson"
    out.write_bytes(export("ndjson", [alone, of_replay, early, first]))
    write_session(session_path("copy", data / "sessions"), recorded(*unary(1))).close()
    assert loom("import", str(out), "--session", "copy").code == 0
    assert loom("export", "copy", "-o", str(out)).code == 0
    calls, problems = imported(out)
    assert (problems, [(call.id, call.replay_of) for call in calls]) == (
        [],
        [(1, None), (2, None), (3, 2), (4, 3), (5, 0)],
    )
    assert loom("export", "copy", "-o", str(out), "-q", "is:replayed").code == 0
    assert [call.replay_of for call in imported(out)[0]] == [2, 3, 0]
    assert loom("import", str(out), "--session", "again").code == 0
    assert loom("export", "again", "-o", str(out)).code == 0
    assert [call.replay_of for call in imported(out)[0]] == [0, 0, 2]


def test_exports_by_filter_with_secrets_masked(
    loom: Callable[..., Ran], session_file: Path, data: Path
) -> None:
    out = data / "calls.ndjson"
    assert loom("export", "mine", "-q", 'body:"two"', "-o", str(out)).code == 0
    calls, _ = imported(out)
    assert [call.id for call in calls] == [2]
    assert b"s3cret" not in out.read_bytes()
    for kind in ("har", "grpc-dump", "grpcurl", "pytest", "bundle"):
        assert loom("export", "mine", "--format", kind, "-o", str(out)).code == 0
        assert out.stat().st_size > 100


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a file that is always full")
def test_an_export_to_a_full_disk_is_reported_as_incomplete(
    loom: Callable[..., Ran], session_file: Path
) -> None:
    ran = loom("export", "mine", "-o", "/dev/full")
    assert (ran.code, ran.err) == (2, "loom: /dev/full is incomplete: No space left on device\n")


def test_an_invalid_filter_is_reported_with_its_column(loom: Callable[..., Ran], session_file: Path) -> None:
    ran = loom("export", "mine", "-q", "order status:FOO")
    assert (ran.code, "'order status:FOO', column 13: 'FOO' is" in ran.err) == (2, True)


def test_of_a_damaged_file_the_rest_is_imported_and_the_place_reported(
    loom: Callable[..., Ran], session_file: Path, data: Path
) -> None:
    out = data / "calls.ndjson"
    loom("export", "mine", "-o", str(out))
    lines = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join([*lines[:2], lines[2][:50] + b"\n", *lines[3:]]))
    ran = loom("import", str(out), "--session", "copy")
    assert ran.code == 1
    assert f"{out}: line 3: " in ran.err
    assert ran.out.startswith("2 calls from")
    (data / "hello.txt").write_text("hello")
    ran = loom("import", str(data / "hello.txt"))
    assert (ran.code, "this is not Loom's NDJSON" in ran.err) == (2, True)
    assert loom("import", str(data / "none.txt")).code == 2


@pytest.mark.parametrize("name", ["../mine", ".hidden", "a/b", "x" * 101, ""])
def test_an_invalid_name(loom: Callable[..., Ran], name: str) -> None:
    ran = loom("show", name)
    assert (ran.code, "is not a valid session name" in ran.err) == (2, True)


def test_keys_masked_when_recorded_are_masked_in_an_export(
    loom: Callable[..., Ran], session_file: Path, data: Path
) -> None:
    assert '"42"' in loom("export", "mine").out
    assert '"42"' not in loom("export", "mine", "--mask", "X-Tenant").out
    store = SessionWriter(session_file)
    store.mask(["x-tenant"])
    store.open()
    for event in unary(4):
        store.emit(event)
    store.close()
    exported = loom("export", "mine").out
    assert '"x-tenant"' in exported
    assert '"42"' not in exported
    assert '"42"' in loom("export", "mine", "--reveal").out
    assert loom("import", str(session_file), "--session", "copy").code == 0
    assert '"42"' not in loom("export", "copy").out
    ran = loom("export", "mine", "--mask", "no key")
    assert (ran.code, "a metadata key" in ran.err) == (2, True)


def test_the_data_directory_precedes_or_follows_a_subcommand(
    loom: Callable[..., Ran], session_file: Path, data: Path
) -> None:
    elsewhere = ("--data-dir", str(data / "elsewhere"))
    assert " 3 " in loom("list", "--data-dir", str(data)).out
    assert loom("list", *elsewhere).out == loom(*elsewhere, "list").out
    assert loom(*elsewhere, "show", "mine", "--data-dir", str(data)).code == 0
    assert loom("import", str(session_file), *elsewhere).code == 0
    assert loom("export", "default", *elsewhere).code == 0
    assert loom("delete", "default", "--yes", *elsewhere).code == 0
    (data / "other.toml").write_text("nonsense = 1\n")
    assert "nonsense" in loom("show", "mine", "--config", str(data / "other.toml")).err


def test_an_import_into_a_directory_that_cannot_be_written_to(
    loom: Callable[..., Ran], session_file: Path, data: Path
) -> None:
    (data / "file").write_text("")
    ran = loom("import", str(session_file), "--data-dir", str(data / "file"))
    assert ran.code == 2
    assert "set LOOM_DATA_DIR to a directory that you may write to, or pass one with --data-dir" in ran.err
    assert "--no-session" not in ran.err


def test_a_pipe_is_refused_by_its_name(loom: Callable[..., Ran], data: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b'{"type": "header"}')
    os.close(writing)
    ran = loom("import", f"/dev/fd/{reading}")
    os.close(reading)
    assert (ran.code, ran.err.startswith(f"loom: /dev/fd/{reading} is a pipe")) == (2, True)


def test_an_import_reads_its_file_under_a_memory_limit(
    loom: Callable[..., Ran], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_client, "_MEMORY_BYTES", 96 * 2**20)
    (data / "bomb").write_bytes(bomb(60 * 2**20))
    ran = loom("import", str(data / "bomb"), "--session", "copy")
    assert (ran.code, "bytes of memory to be read" in ran.err) == (2, True)


def test_an_import_whose_reading_process_dies_leaves_no_calls_behind(
    loom: Callable[..., Ran], session_file: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = data / "calls.ndjson"
    calls = recorded(*(event for call_id in range(1, 200) for event in unary(call_id, dense(50_000))))
    path.write_bytes(export("ndjson", calls))
    added = []

    def add_and_kill(importer: CallImporter, call: Call) -> Call:
        kill_children()
        added.append(call.id)
        return add(importer, call)

    add = CallImporter.add
    monkeypatch.setattr(CallImporter, "add", add_and_kill)
    ran = loom("import", str(path), "--session", "mine")
    assert (ran.code, "the process that reads it died: signal 9" in ran.err) == (2, True)
    assert 0 < len(added) < 199
    monkeypatch.undo()
    monkeypatch.setenv("LOOM_DATA_DIR", str(data))
    assert "calls     3\n" in loom("show", "mine").out
    assert loom("import", str(path), "--session", "mine").code == 0
    assert "calls     202\n" in loom("show", "mine").out
