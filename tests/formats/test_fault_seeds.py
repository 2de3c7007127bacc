"""The seeds of rules and faults in files of calls: written, read, and kept where calls are imported."""

import json
from pathlib import Path

import pytest

from loom.archive.call_importer import CallImporter
from loom.cli import main
from loom.formats.call_file import CallFile
from loom.recording.ndjson import header_line, to_line
from loom.sessions import session_path
from tests.support.exports import export
from tests.support.session_files import write_session
from tests.support.traffic import altered, recorded, unary


def seeds_of(path: Path) -> dict[int, int]:
    with CallFile(path) as file:
        content = file.read()
        for _ in content.calls:
            pass
        return content.fault_seeds


@pytest.mark.parametrize("kind", ["ndjson", "bundle"])
def test_a_file_has_the_seeds_of_its_runs(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "calls"
    path.write_bytes(export(kind, recorded(*unary(1)), fault_seeds={1: 7, 120: -42}))
    assert seeds_of(path) == {1: 7, 120: -42}
    path.write_bytes(export(kind, recorded(*unary(1))))
    assert seeds_of(path) == {}


def test_a_log_has_a_seed_for_each_run_and_calls_in_the_order_of_their_ends(tmp_path: Path) -> None:
    path = tmp_path / "log.ndjson"
    one, two, three = recorded(*unary(1), *unary(2), *unary(3))
    parts = [header_line(revealed=False, fault_seed=7), to_line(two, None), to_line(one, None)]
    parts += [header_line(revealed=False, fault_seed=9), to_line(three, None)]
    path.write_bytes(b"".join(parts))
    assert seeds_of(path) == {1: 7, 3: 9}


def test_a_seed_that_no_session_can_keep_is_a_damaged_header(tmp_path: Path) -> None:
    path = tmp_path / "calls.ndjson"
    header = json.loads(header_line(revealed=False)) | {"fault_seeds": {"1": 2**64}}
    [call] = recorded(*unary(1))
    path.write_text(json.dumps(header) + "\n" + to_line(call, None).decode())
    with CallFile(path) as file:
        content = file.read()
        assert len(list(content.calls)) == 1
        assert "fault_seeds" in content.problems[0]


def test_calls_that_come_between_keep_their_own_seed() -> None:
    calls = recorded(*unary(1), *unary(2), *unary(5))
    new_ids = iter([10, 11, 15])
    importer = CallImporter(lambda: next(new_ids), None)
    for call in calls:
        importer.add(call)
    assert importer.fault_seeds({1: 7, 4: 8}, {3: 99}) == {10: 7, 12: 99, 15: 8, 16: 99}
    assert importer.fault_seeds({2: 7}, {3: 99}) == {11: 7, 12: 99, 15: 7, 16: 99}
    assert importer.fault_seeds({2: 7}) == {11: 7, 15: 7}
    assert importer.fault_seeds({}, {3: 99}) == {}


def test_a_session_exports_its_seeds_and_an_import_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOOM_DATA_DIR", str(tmp_path))
    writer = write_session(session_path("one", tmp_path / "sessions"), recorded(*unary(1), *altered(2)))
    writer.put_imported_fault_seeds({2: 7})
    writer.flush()
    writer.close()

    def run(*words: str) -> str:
        with pytest.raises(SystemExit):
            main(list(words))
        return capsys.readouterr().out

    for kind, name in (("ndjson", "calls.ndjson"), ("bundle", "calls.loom.zip")):
        file = str(tmp_path / name)
        run("sessions", "export", "one", "-o", file, "--format", kind)
        assert "--fault-seed 7 for calls from #2" in run("faults", "report", file)
        run("sessions", "import", file, "--session", "two")
    assert seeds_of(session_path("two", tmp_path / "sessions")) == {2: 7, 4: 7}
