"""``loom faults`` on a running Loom."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import pytest

from loom.cli import main
from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import SERVICE, running_mirror, thing
from tests.support.raw_calls import unary_unary

RULES = '[[rule]]\nname = "mark"\nmatch = "method:Say"\ndo = [{ metadata = { set = { x-env = "dev" } } }]\n'


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[LoomInstance]:
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    async with running_mirror() as mirror, running_instance(mirror, rules=(path,), fault_seed=7) as made:
        yield made


async def faults(
    api: LoomInstance, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, list[str], str]:
    """Run ``loom faults …``: exit code, lines, errors."""
    return await command(api, capsys, "faults", *words)


async def command(
    api: LoomInstance, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, list[str], str]:
    def run() -> int:
        with pytest.raises(SystemExit) as exited:
            main([*words, "--ui", str(api.loom.ui_address)])
        return int(exited.value.code or 0)

    code = await asyncio.to_thread(run)
    captured = capsys.readouterr()
    return code, captured.out.splitlines(), captured.err


async def say(api: LoomInstance) -> grpc.StatusCode:
    try:
        await unary_unary(api.channel, f"/{SERVICE}/Say")(thing(text="x"))
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def test_a_fault_is_set_replaced_switched_and_removed(
    api: LoomInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines, _ = await faults(
        api, capsys, "set", "method:Say :: status=ABORTED; times=5", "--name", "flaky"
    )
    assert (code, lines[0], lines[1]) == (0, "2 rules and faults in force, seed 7", "flaky added")
    assert await say(api) is grpc.StatusCode.ABORTED
    await faults(api, capsys, "set", "method:Say :: status=INTERNAL", "--name", "flaky")
    assert await say(api) is grpc.StatusCode.INTERNAL
    await faults(api, capsys, "off", "flaky")
    assert await say(api) is grpc.StatusCode.OK
    await faults(api, capsys, "on", "flaky")
    assert await say(api) is grpc.StatusCode.INTERNAL
    _, lines, _ = await faults(api, capsys, "off")
    assert lines[0] == "0 rules and faults in force (all are switched off: loom faults on), seed 7"
    assert await say(api) is grpc.StatusCode.OK
    await faults(api, capsys, "on")
    _, lines, _ = await faults(api, capsys, "remove", "flaky")
    assert not any("flaky" in line for line in lines)
    assert await say(api) is grpc.StatusCode.OK


async def test_the_list_has_rules_of_files_and_what_they_did(
    api: LoomInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    await say(api)
    code, lines, _ = await faults(api, capsys, "list")
    assert code == 0
    assert lines[0] == "1 rule or fault in force, seed 7"
    assert lines[1].startswith("mark ")
    assert lines[1].endswith("rules.toml:1")
    assert lines[3] == "  matched 1, acted on 1"
    _, [line], _ = await faults(api, capsys, "list", "--json")
    assert json.loads(line)["acted"] == 1


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("set", "method:Say"), "'method:Say': write a filter, '::' and what happens"),
        (("set", "method:Say :: status=NO_SUCH"), "unknown status 'NO_SUCH'"),
        (("set", "method:Say :: percent=140; drop"), "percent: 140 is not from 0 to 100"),
        (("set", "x:y :: hang"), "unknown term 'x'"),
        (("set", ":: hang", "--name", "mark"), "there is a rule 'mark' already"),
        (("off", "nobody"), "no rule is named 'nobody'"),
        (("remove", "mark"), "no rule 'mark' was added here"),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_changes(
    api: LoomInstance, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], error: str
) -> None:
    code, lines, errors = await faults(api, capsys, *words)
    assert (code, lines) == (2, [])
    assert error in errors
    assert errors.startswith("loom: ")
    assert errors.count("\n") == 1
    assert await say(api) is grpc.StatusCode.OK


async def test_calls_and_show_say_what_acted_and_what_came(
    api: LoomInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    for fault in ("corrupt=truncate", "status=DATA_LOSS; at=trailers", "delay=1ms"):
        await faults(api, capsys, "set", f"method:Say :: {fault}", "--name", fault.partition("=")[0])
    assert await say(api) is grpc.StatusCode.DATA_LOSS
    await api.ended.wait(1)
    _, [line], _ = await command(api, capsys, "calls")
    line, names = line.split("  altered by ")
    assert set(names.partition("  ")[0].split(", ")) == {
        "rule mark",
        "fault corrupt",
        "fault status",
        "fault delay",
    }
    _, lines, _ = await command(api, capsys, "show", "1")
    shown = lines[lines.index("acted on") :]
    assert any(line.startswith("  request metadata: rule mark: metadata set x-env") for line in shown)
    [corrupted] = [
        place for place, line in enumerate(shown) if line.startswith("  response message 1: fault corrupt")
    ]
    assert (
        shown[corrupted] == "  response message 1: fault corrupt: corrupt (truncate) (went on as message 1)"
    )
    assert shown[corrupted + 1 : corrupted + 4] == ["    came {", '    came   "text": "x"', "    came }"]
    assert "    came OK (0)" in shown
    _, [text], _ = await command(api, capsys, "show", "1", "--json")
    call = json.loads(text)
    [number] = call["original_views"]
    assert call["interceptions"][int(number)]["point"] == "response-message"
    assert call["original_views"][number]["json"] == {"text": "x"}
