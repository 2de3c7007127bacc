"""``loom rules`` and ``loom faults`` on files and sessions."""

import json
from pathlib import Path

import pytest

from loom.cli import main
from loom.model import StoredDescriptorSet
from loom.sessions import session_path
from tests.support.schemas import SHOP, compiled
from tests.support.session_files import write_session
from tests.support.traffic import altered, recorded, unary

RULES = """
[[rule]]
name = "renamed"
match = "method:Get"
when = { point = "request-message" }
do = [{ set = "name", to = "z" }, { append = "parts", value = { name = "p" } }]

[[rule]]
name = "secret"
match = "method:Get"
do = [{ metadata = { set = { authorization = "Bearer n3w", x-tenant = "7" } } }]

[[fault]]
name = "down"
match = "method:Watch"
status = "UNAVAILABLE"
message = "injected"
"""


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOOM_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.toml").write_text(RULES, encoding="utf-8")
    return tmp_path


@pytest.fixture
def session(data: Path) -> None:
    name = b"\x0a\x01a"
    calls = recorded(*unary(1, name), *unary(2, name), *altered(3))
    calls[0].method, calls[1].method = "/acme.shop.Shop/Get", "/acme.shop.Shop/Watch"
    writer = write_session(session_path("mine", data / "sessions"), calls)
    files = compiled(data, shop=SHOP).SerializeToString()
    writer.put_descriptors(StoredDescriptorSet("t", "reflection v1", "t", 1, files))
    writer.flush()
    writer.close()


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exited:
        main(list(words))
    captured = capsys.readouterr()
    return int(exited.value.code or 0), captured.out, captured.err


def test_check_says_what_each_rule_does(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "rules", "check", "rules.toml")
    assert (code, err) == (0, "")
    assert (
        "rule 'renamed': on method:Get: set name (request-message); append to parts (request-message)" in out
    )
    assert "fault 'down': on method:Watch: status UNAVAILABLE (start)" in out
    assert out.endswith("3 rules in 1 file, for the relay engine\n")


def test_check_refuses_a_file_that_cannot_be_used(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "bad.toml").write_text('[[rule]]\nname = "x"\nmatch = ""\npercent = 140\ndo = [{ hold = true }]')
    code, out, err = run(capsys, "rules", "check", "bad.toml")
    assert (code, out) == (2, "")
    assert "bad.toml: rule 'x': percent: 140 is not from 0 to 100" in err


@pytest.mark.usefixtures("session")
def test_a_dry_run_shows_what_would_change(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "rules", "test", "rules.toml", "--session", "mine")
    assert code == 0
    assert "#1 /acme.shop.Shop/Get\n  request-metadata: metadata set authorization, x-tenant [secret]" in out
    assert 'x-tenant: ["42", "é"] → "7"' in out or 'x-tenant[0]: "42" → "7"' in out
    assert "n3w" not in out
    assert 'name: "a" → "z"' in out
    assert 'parts: added [{"name": "p"}]' in out
    assert "the call ends with UNAVAILABLE: injected" in out
    assert "rules would have acted on 2 of 3 calls; nothing was sent" in out
    assert "fault 'down': matched 1, acted on 1" in out


@pytest.mark.usefixtures("session")
def test_a_dry_run_as_json_and_with_a_filter(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(
        capsys, "rules", "test", "rules.toml", "--session", "mine", "--json", "-q", "method:Watch"
    )
    [call] = map(json.loads, out.splitlines())
    assert call["items"][0]["end"] == {"code": "UNAVAILABLE", "message": "injected"}
    code, out, _ = run(capsys, "rules", "test", "rules.toml", "--session", "mine", "-q", "method:Other")
    assert code == 1
    assert "rules would have acted on 0 of 0 calls" in out


@pytest.mark.usefixtures("session")
def test_a_fault_report(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "faults", "report", "mine", "--junit", "report.xml")
    assert code == 1
    assert "flaky: 1 call hit" in out
    assert "1 of 1 NOT_FOUND were never retried" in out
    assert "not retried: #3" in out
    assert 'failures="1"' in (data / "report.xml").read_text()
    code, out, _ = run(capsys, "faults", "report", "mine", "--json", "--expect", "other")
    assert [json.loads(line)["name"] for line in out.splitlines()] == ["flaky", "other"]


@pytest.mark.usefixtures("session")
def test_a_session_without_faults(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "faults", "report", "mine", "-q", "method:Get")
    assert (code, out) == (0, "no fault acted on a call\n")


OTHER_RULES = """
[[rule]]
name = "thrice"
match = "method:Get"
when = { point = "request-message" }
do = [{ duplicate = 3 }, { delay = "1s" }]

[[rule]]
name = "lost"
match = "method:Watch"
when = { point = "response-message" }
do = [{ drop = true }]

[[rule]]
name = "more"
match = "method:Get"
when = { point = "response-message" }
do = [{ insert-after = { name = "added" } }]

[[rule]]
name = "same"
match = "method:Watch"
when = { point = "request-message" }
do = [{ set = "name", to = "a" }]
"""


@pytest.mark.usefixtures("session")
def test_a_dry_run_shows_what_is_sent_again_added_lost_and_late(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "other.toml").write_text(OTHER_RULES, encoding="utf-8")
    code, out, err = run(capsys, "rules", "test", "other.toml", "--session", "mine")
    assert (code, err) == (0, "")
    assert "goes on 3 times" in out
    assert "after 1.00 s" in out
    assert 'adds {"name": "added"}' in out
    assert 'does not go on: {"name": "Alice"}' in out


def test_rules_alone_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "rules")
    assert (code, out) == (2, "")
    assert "Work with files of rules and faults" in err


@pytest.mark.usefixtures("session")
def test_a_dry_run_reports_what_it_cannot_read(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "sessions", "export", "mine", "-o", "calls.ndjson")[0] == 0
    file = data / "calls.ndjson"
    file.write_bytes(file.read_bytes()[:-100])
    _, _, err = run(capsys, "rules", "test", "rules.toml", "--session", "calls.ndjson")
    assert "calls.ndjson: " in err
