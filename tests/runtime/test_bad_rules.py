"""Everything that can be wrong with rules: a clear error for who wrote it, and no call is lost."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from loom.cli import main
from loom.errors import LoomError
from loom.interception.rule_file import MAX_RULES
from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import SERVICE, running_mirror, thing
from tests.support.raw_calls import unary_unary

# The table of a rule or a fault, and the error that its author gets, with the key that it names.
BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "percent of 140": ("fault", {"hang": True, "percent": 140}, "percent: 140 is not from 0 to 100"),
    "percent of text": (
        "fault",
        {"hang": True, "percent": "many"},
        "percent: Expected `float | null`, got `str`",
    ),
    "no such status": (
        "fault",
        {"status": "NO_SUCH"},
        "unknown status 'NO_SUCH': it is one of OK, CANCELLED",
    ),
    "an abort with OK": ("fault", {"status": "OK"}, "an abort with OK leaves clients without an answer"),
    "an unknown key": ("fault", {"stauts": "OK"}, "unknown key 'stauts'; allowed are"),
    "nothing to do": ("rule", {"do": []}, "do: it has no action"),
    "two things": ("fault", {"hang": True, "drop": True}, "one fault does one thing"),
    "a filter of what comes later": (
        "fault",
        {"match": "status:OK", "hang": True},
        "is not known when a call starts",
    ),
    "a filter with an expression": ("fault", {"match": "meta:a=/(a+)+$/", "hang": True}, "may take any time"),
    "a filter that is not one": ("fault", {"match": "method:", "hang": True}, "match: column"),
    "an expression that is not one": (
        "rule",
        {"when": {"point": "request-message"}, "do": [{"replace": "text", "regex": "(", "with": ""}]},
        "regex: missing )",
    ),
    "an expression that is long": (
        "rule",
        {"when": {"point": "request-message"}, "do": [{"replace": "text", "regex": "a" * 1001, "with": ""}]},
        "regex: it has more than 1000 characters",
    ),
    "a path that is not one": (
        "rule",
        {"when": {"point": "request-message"}, "do": [{"set": "a..b", "to": 1}]},
        "column",
    ),
    "an impossible point": (
        "rule",
        {"when": {"point": "start"}, "do": [{"set": "text", "to": "x"}]},
        "set is impossible at start; it can be at request-message, response-message",
    ),
    "no such point": ("rule", {"when": {"point": "lunch"}, "do": [{"drop": True}]}, "allowed are start"),
    "a delay without a unit": ("fault", {"delay": "5"}, "'5' is not a duration"),
    "a delay of a day": ("fault", {"delay": "24h"}, "longer than an hour"),
    "a detail without a type": (
        "fault",
        {"status": "ABORTED", "details": [{}]},
        "a detail is a table with its type",
    ),
    "metadata that gRPC sets": (
        "rule",
        {"do": [{"metadata": {"set": {"grpc-status": "0"}}}]},
        "'grpc-status' is set by gRPC itself",
    ),
    "too many copies": ("fault", {"duplicate": 10_000}, "10000 is not from 2 to 1000"),
    "an enormous message": ("fault", {"oversize": "1000MiB"}, "is more than 67,108,864 bytes"),
}
EACH = pytest.mark.parametrize(("kind", "table", "message"), BAD.values(), ids=BAD)


def table_of(table: dict[str, Any]) -> dict[str, Any]:
    return {"name": "mine", "match": "method:Say", **table}


@EACH
def test_a_file_is_refused_with_its_name_and_the_rules(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, table: dict[str, Any], message: str
) -> None:
    path = tmp_path / "rules.json"
    path.write_text(json.dumps({kind: [table_of(table)]}))
    with pytest.raises(SystemExit) as exited:
        main(["rules", "check", str(path)])
    error = capsys.readouterr().err
    assert exited.value.code == 2
    assert error.startswith(f"loom: {path}: {kind} 'mine': ")
    assert message in error
    assert error.count("\n") == 1


@pytest.fixture
async def api() -> AsyncIterator[LoomInstance]:
    async with running_mirror() as mirror, running_instance(mirror) as loom:
        yield loom


async def test_the_api_refuses_it_with_its_place(api: LoomInstance) -> None:
    for kind, table, message in BAD.values():
        status, answer = await api.post("/api/rules/tables", {kind: table_of(table)})
        assert status == 422, answer
        assert message in answer["error"]["message"]
        assert (await api.get("/api/rules"))[1]["rules"] == []


async def say(loom: LoomInstance, text: str = "x") -> tuple[grpc.StatusCode, str]:
    call = unary_unary(loom.channel, f"/{SERVICE}/Say")(thing(text=text), timeout=30)
    return await call.code(), await call.details()


async def test_files_that_cannot_be_read_leave_the_rules_of_before(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    good = '[[fault]]\nname = "good"\nmatch = "method:Say"\nstatus = "ABORTED"\n'
    path.write_text(good)
    rule = '[[rule]]\nname = "r{0}"\nmatch = ""\ndo = [{{ drop = true }}]\nwhen = {{ point = "request-message" }}\n'
    many = "".join(rule.format(number) for number in range(10_000))
    async with running_mirror() as mirror, running_instance(mirror, rules=(path,)) as loom:
        interceptor, sources = loom.loom.interceptor, loom.loom.rule_sources
        assert interceptor is not None
        for content, message in (
            (b"[[fault]", "not valid TOML"),
            (b"\xff\xfe", "is not UTF-8"),
            (many.encode(), f"at most {MAX_RULES} rules and faults can be loaded, and this has 10,000"),
            (good.replace("ABORTED", "NO_SUCH").encode(), "fault 'good': status: unknown status"),
            ((good + good).encode(), "two rules are named 'good'"),
            (None, "cannot be read: No such file"),
        ):
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content)
            await sources.reload(
                lambda: interceptor.rules, lambda rules: setattr(interceptor, "rules", rules)
            )
            assert message in sources.problem
            assert str(path) in sources.problem
            _, listed = await loom.get("/api/rules")
            assert (listed["problem"], [item["name"] for item in listed["rules"]]) == (
                sources.problem,
                ["good"],
            )
            assert (await say(loom))[0] is grpc.StatusCode.ABORTED
        path.write_text("")
        await sources.reload(lambda: interceptor.rules, lambda rules: setattr(interceptor, "rules", rules))
        assert sources.problem == ""
        assert (await say(loom))[0] is grpc.StatusCode.OK


async def test_a_file_that_cannot_be_read_at_the_start_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text("[[rule]")
    async with running_mirror() as mirror:
        with pytest.raises(LoomError, match=r"rules\.toml: not valid TOML"):
            async with running_instance(mirror, rules=(path,)):
                pass


# What cannot be applied at run time: the actions of a rule, and why.
UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "no such field": ({"set": "no_such", "to": 1}, "mirror.v1.Thing has no field 'no_such'"),
    "text for a number": ({"set": "big", "to": "many"}, "many"),
    "a number for text": ({"set": "text", "to": 7}, "text"),
    "no such enum value": ({"set": "mood", "to": "MOOD_LOUD"}, "MOOD_LOUD"),
    "a field within text": ({"set": "text.inner", "to": 1}, "text is not a message"),
    "an element that is not there": ({"set": "parts[7].name", "to": "x"}, "no element [7]"),
    "append to text": ({"append": "text", "value": "x"}, "text is not a list"),
    "a message of another type": ({"message": {"no_such": 1}}, "no_such"),
    "an expression that explodes": (
        {"replace": "text", "regex": "(a|a)*$", "with": ""},
        "the regular expression took longer than 50 ms",
    ),
}


@pytest.mark.parametrize(("action", "reason"), UNFIT.values(), ids=UNFIT)
@pytest.mark.parametrize("on_error", ["pass", "fail"])
async def test_what_does_not_fit_passes_or_fails_as_the_rule_says(
    api: LoomInstance, action: dict[str, Any], reason: str, on_error: str
) -> None:
    rule = {
        "name": "unfit",
        "match": "method:Say",
        "when": {"point": "request-message"},
        "on-error": on_error,
        "do": [action],
    }
    assert (await api.post("/api/rules/tables", {"rule": rule}))[0] == 200
    text = "a" * 40 + "!"
    code, details = await say(api, text)
    await api.ended.wait(1)
    _, call = await api.get("/api/calls/1")
    [noted] = [item for entry in call["interceptions"] for item in entry["actions"]]
    assert (noted["name"], noted["applied"]) == ("unfit", False)
    assert reason in noted["effect"]
    _, listed = await api.get("/api/rules")
    assert (listed["rules"][0]["failures"], reason in listed["rules"][0]["last_error"]) == (1, True)
    if on_error == "pass":
        assert code is grpc.StatusCode.OK
        assert api.mirror.received[0].messages == [thing(text=text)]
        assert "modified" not in call["flags"]
    else:
        assert code is grpc.StatusCode.INTERNAL
        assert details.startswith("Loom's rule 'unfit' failed: ")
