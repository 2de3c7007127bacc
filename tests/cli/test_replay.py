"""loom replay as a process: a session or a file against another backend, with CI's exit codes and reports."""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import pytest_asyncio

from loom.cli import main
from tests.support.loom_instance import running_instance
from tests.support.mirror import Mirror, make, running_mirror, thing


async def loom(*arguments: str) -> tuple[int | None, str, str]:
    """Run ``loom …`` to its end: exit code, output, complaints."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LOOM_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loom", *arguments, env={**kept, "PYTHONPATH": str(Path.cwd())},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def changing(change: Callable[[Any], None]) -> Callable[[bytes], bytes]:
    """What a mirror answers: each message with a change."""

    def alter(data: bytes) -> bytes:
        message = make("Thing")
        message.ParseFromString(data)
        change(message)
        return bytes(message.SerializeToString())

    return alter


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the session "ci": four calls of four kinds, one of them with an error."""
    path = tmp_path_factory.mktemp("recording")
    async with running_mirror() as mirror, running_instance(mirror, session="ci", data_dir=path) as api:
        await api.call("Say", thing(text="one"), metadata=[("authorization", "s3cret")])
        await api.call("Gather", thing(text="a"), thing(text="b"))
        await api.call("Spread", thing(text="many"))
        await api.call("Chat", thing(text="x"), thing(text="y"), metadata=[("x-tenant", "42")])
    return path


@pytest.fixture
def recorded(recording: Path, tmp_path: Path) -> Path:
    """A copy of ``recording``."""
    return shutil.copytree(recording, tmp_path, dirs_exist_ok=True)


async def replay(
    recorded: Path, mirror: Mirror, *arguments: str, source: str = "ci"
) -> tuple[int | None, str, str]:
    return await loom("replay", source, "--data-dir", str(recorded), "--target", mirror.address, *arguments)


async def test_a_backend_that_answers_the_same_passes(recorded: Path) -> None:
    async with running_mirror() as mirror:
        code, out, err = await replay(recorded, mirror, "--fail-on-diff")
    assert (code, err) == (0, "")
    assert [item.method.rpartition("/")[2] for item in mirror.received] == ["Say", "Gather", "Spread", "Chat"]
    assert mirror.received[3].messages == [thing(text="x"), thing(text="y")]
    assert ("authorization", "s3cret") in mirror.received[0].metadata
    head, *rows, total = out.splitlines()
    assert head.split()[:6] == ["method", "calls", "same", "different", "failed", "skipped"]
    assert len(rows) == 4
    assert total.split() == ["all", "4", "4", "0", "0", "0"]


async def test_a_difference_is_reported_and_fails_on_request(recorded: Path) -> None:
    def louder(message: Any) -> None:
        message.text = message.text.upper()

    async with running_mirror(alter=changing(louder)) as mirror:
        code, out, _ = await replay(recorded, mirror, "-q", "method:Say")
        assert code == 0
        assert 'response 0 text: "one" → "ONE"' in out
        code, _, _ = await replay(recorded, mirror, "--fail-on-diff", "-q", "method:Say")
        assert code == 1
        code, _, _ = await replay(recorded, mirror, "--fail-on-diff", "--ignore", "response:text")
        assert code == 0
        code, _, _ = await replay(recorded, mirror, "--fail-on-diff", "--ignore", "other,text")
        assert code == 0


async def test_a_field_is_ignored_by_either_name_and_an_unmatched_path_is_reported(
    recorded: Path,
) -> None:
    def later(message: Any) -> None:
        message.updated_at = "later"

    async with running_mirror(alter=changing(later)) as mirror:
        for name in ("updated_at", "updatedAt"):
            ignore = ("--ignore", f"{name},request_id", "--ignore", "response:text")
            code, out, err = await replay(recorded, mirror, "--fail-on-diff", *ignore)
            assert code == 0, out
            assert err.splitlines() == [
                "loom: --ignore request_id matched nothing: check the path (docs/how-to/replay.md)"
            ]


async def test_control_characters_of_a_response_are_escaped(
    recorded: Path,
) -> None:
    def hostile(message: Any) -> None:
        message.text = "\x1b[31m\x9b2J\x07"

    async with running_mirror(alter=changing(hostile)) as mirror:
        _, out, _ = await replay(recorded, mirror, "-q", "method:Say")
    assert "response 0 text" in out
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in out.replace("\n", ""))


async def test_a_report_for_ci(recorded: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"

    def odd(message: Any) -> None:
        message.text = "\x00\x1b<&>"

    async with running_mirror(alter=changing(odd)) as mirror:
        code, _, _ = await replay(recorded, mirror, "--fail-on-diff", "--junit", str(report))
    assert code == 1
    root = ET.parse(report).getroot()
    assert root.attrib | {} == {
        "name": "loom replay",
        "tests": "4",
        "failures": "4",
        "errors": "0",
        "time": root.get("time"),
    }
    (suite,) = root
    assert suite.get("name") == "mirror.v1.Mirror"
    case = suite[0]
    assert case.get("classname") == "mirror.v1.Mirror"
    assert case.get("name") == "#1 Say"
    assert case[0].tag == "failure"
    assert case[0].text is not None
    assert "response 0 text" in case[0].text


async def test_a_target_that_is_not_there_is_exit_code_3(recorded: Path, tmp_path: Path) -> None:
    async with running_mirror() as mirror:
        pass
    report = tmp_path / "report.xml"
    code, out, _ = await replay(recorded, mirror, "-q", "method:Say", "--junit", str(report))
    assert code == 3
    assert "could not reach the target" in out
    assert ET.parse(report).getroot().get("errors") == "1"


async def test_a_call_that_does_not_end_times_out(recorded: Path) -> None:
    async with running_mirror() as mirror:
        code, out, _ = await replay(
            recorded, mirror, "-H", "mirror-hang: 1", "-q", "method:Say", "--patience", "0.3"
        )
    assert code == 3
    assert "did not end within 0.3 s" in out


async def test_results_as_json(recorded: Path) -> None:
    async with running_mirror() as mirror:
        code, out, _ = await replay(recorded, mirror, "--json", "--concurrency", "4")
    assert code == 0
    results = {item["id"]: item for item in map(json.loads, out.splitlines())}
    assert sorted(results) == [1, 2, 3, 4]
    assert {item["outcome"] for item in results.values()} == {"same"}


async def test_a_filter_over_metadata_and_bodies_chooses_the_calls(recorded: Path) -> None:
    async with running_mirror() as mirror:
        await replay(recorded, mirror, "-q", "meta:x-tenant=42")
        await replay(recorded, mirror, "-q", 'body:"many"')
    assert [item.method.rpartition("/")[2] for item in mirror.received] == ["Chat", "Spread"]


async def test_a_file_is_sent_as_a_session_is_and_its_masked_secrets_are_asked_for(recorded: Path) -> None:
    file = recorded / "calls.ndjson"
    code, _, err = await loom("sessions", "--data-dir", str(recorded), "export", "ci", "-o", str(file))
    assert code == 0, err
    assert "s3cret" not in file.read_text()
    async with running_mirror(described=False) as mirror:
        code, out, err = await replay(recorded, mirror, "--fail-on-diff", source=str(file))
        assert code == 0, out
        assert "masked in the recording, so not sent: authorization" in err
        assert not any(key == "authorization" for key, _ in mirror.received[0].metadata)
        code, _, err = await replay(
            recorded, mirror, "-q", "method:Say", "-H", "Authorization: Bearer new", source=str(file)
        )
        assert (code, err) == (0, "")
        assert ("authorization", "Bearer new") in mirror.received[4].metadata


async def test_a_masked_response_value_is_not_compared_and_reported_once(recorded: Path) -> None:
    config = recorded / "masking.toml"
    config.write_text('mask = ["mirrored"]')
    file = recorded / "calls.ndjson"
    options = ("--data-dir", str(recorded), "--config", str(config))
    code, _, err = await loom("sessions", *options, "export", "ci", "-o", str(file))
    assert code == 0, err
    assert '"masked":true' in file.read_text()
    async with running_mirror() as mirror:
        code, out, err = await replay(recorded, mirror, "--fail-on-diff", source=str(file))
    assert code == 0, out
    assert err.splitlines()[1:] == ["loom: masked in the recording, so not compared: mirrored"]


async def test_half_a_recording_does_not_pass(recorded: Path) -> None:
    file = recorded / "calls.ndjson"
    code, _, err = await loom(
        "sessions", "--data-dir", str(recorded), "export", "ci", "-o", str(file), "--reveal"
    )
    assert code == 0, err
    file.write_bytes(file.read_bytes()[:-200])
    async with running_mirror() as mirror:
        code, out, err = await replay(recorded, mirror, "--fail-on-diff", source=str(file))
    assert code == 3, out
    assert f"loom: {file}: " in err


async def test_an_interrupted_run_reports_its_results_so_far(recorded: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    async with running_mirror() as mirror:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("LOOM_")}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "loom", "replay", "ci", "--data-dir", str(recorded), "--target", mirror.address,
            "--junit", str(report), "-H", "mirror-hang: 1", "--patience", "1",
            env={**kept, "PYTHONPATH": str(Path.cwd())}, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        await mirror.arrived(1)  # so that the first was given up
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert process.returncode == 130
    assert "failed #1 /mirror.v1.Mirror/Say: it did not end within 1 s" in out.decode()
    assert "loom: interrupted after 1 of 4 calls" in err.decode()
    assert ET.parse(report).getroot().get("tests") == "1"


async def test_a_report_that_cannot_be_written_is_known_before_anything_is_sent(
    recorded: Path, tmp_path: Path
) -> None:
    async with running_mirror() as mirror:
        report = tmp_path / "no" / "such" / "report.xml"
        code, out, err = await replay(recorded, mirror, "--junit", str(report))
        assert mirror.received == []
    assert (code, out, err) == (2, "", f"loom: --junit {report}: No such file or directory\n")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("ci",), "missing --target HOST:PORT"),
        (("no-such", "--target", "h:1"), "no file and no session 'no-such'"),
        (("./no/such", "--target", "h:1"), "no such file: ./no/such"),
        (("ci", "--target", "h:1", "-q", "method:Nothing"), "no call to send matches the filter"),
        (("ci", "--target", "h:1", "-H", "nonsense"), "expected KEY: VALUE"),
        (("ci", "--target", "h:1", "-H", "te: x"), "'te' cannot be set"),
        (("ci", "--target", "nonsense"), "'nonsense'"),
        (("ci", "--target", "h:1", "--ignore", "[["), "--ignore '[[', column 1: write [0]"),
        (("ci", "--target", "h:1", "--ignore", "a,respnse:b"), "column 3: 'respnse' is not a place"),
    ],
)
def test_an_error_is_one_line_and_exit_code_2(
    recorded: Path, arguments: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["replay", *arguments, "--data-dir", str(recorded)])
    out, err = capsys.readouterr()
    assert (exited.value.code, out) == (2, "")
    assert complaint in err
    assert len(err.splitlines()) == 1


RULES = """
[[rule]]
name = "louder"
match = "method:Say"
when = { point = "response-message" }
do = [{ set = "text", to = "ONE" }]
"""


async def test_calls_are_sent_through_rules_where_that_is_asked(recorded: Path) -> None:
    rules = recorded / "rules.toml"
    rules.write_text(RULES)
    acting = ("--rules", str(rules), "--fault", "method:Gather :: status=ABORTED", "--fault-seed", "7")
    async with running_mirror() as mirror:
        code, out, err = await replay(recorded, mirror, *acting, "--through-rules", "--fail-on-diff")
        assert (code, err) == (1, "")
        assert 'response 0 text: "one" → "ONE"' in out
        assert out.splitlines()[-2:] == [
            "  rule 'louder': matched 1, acted on 1",
            "  fault '--fault 1': matched 1, acted on 1",
        ]
        assert [call.method.rpartition("/")[2] for call in mirror.received] == ["Say", "Spread", "Chat"]
        code, _, err = await replay(recorded, mirror, *acting)
        assert code == 2
        assert "--rules has no effect without --through-rules: replays pass untouched" in err
        code, _, err = await replay(recorded, mirror, "--through-rules")
        assert (code, err) == (2, "loom: --through-rules: there are none: give --rules FILE or --fault\n")
        (recorded / "loom.toml").write_text(f'rules = ["{rules}"]')
        configured = ("--config", str(recorded / "loom.toml"), "-q", "method:Say", "--fail-on-diff")
        assert (await replay(recorded, mirror, *configured))[0] == 0
        assert (await replay(recorded, mirror, *configured, "--through-rules"))[0] == 1
