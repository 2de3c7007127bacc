"""Replay and diff over HTTP, on a whole Loom."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import running_mirror, thing


async def test_a_replay_is_linked_to_its_parent_and_equal_to_it(api: LoomInstance) -> None:
    call = await api.call("Chat", thing(text="a"), thing(text="b"))
    status, answer = await api.post(f"/api/calls/{call}/replay", {})
    assert status == 200
    replay = answer["id"]
    await api.ended.wait(replay)
    _, summary = await api.get(f"/api/calls/{replay}")
    assert summary["replay_of"] == call
    assert "replayed" in summary["flags"]
    assert (await api.get(f"/api/calls/{call}"))[1]["replays"] == [replay]
    assert await api.get(f"/api/calls/{call}/diff/{replay}") == (
        200,
        {"equal": True, "changes": [], "more": 0},
    )


async def test_an_edited_replay_and_what_it_changed(api: LoomInstance) -> None:
    call = await api.call("Say", thing(text="a", big=1), metadata=[("x-a", "1")])
    body = {
        "messages": [{"text": "b", "big": "1"}],
        "metadata": [{"key": "x-a", "value": "2", "binary": False}],
        "deadline_ms": 30_000,
        "timing": "recorded",
        "target": api.mirror.address,
    }
    _, answer = await api.post(f"/api/calls/{call}/replay", body)
    await api.ended.wait(answer["id"])
    assert api.mirror.received[1].messages == [thing(text="b", big=1)]
    assert ("x-a", "2") in api.mirror.received[1].metadata
    _, found = await api.get(f"/api/calls/{call}/diff/{answer['id']}?ignore=response:text")
    assert found["changes"] == [
        {"where": "request 0", "path": "text", "kind": "changed", "left": "a", "right": "b"},
        {"where": "metadata request", "path": "x-a", "kind": "changed", "left": "1", "right": "2"},
    ]
    _, found = await api.get(f"/api/calls/{call}/diff/{answer['id']}?message=0")
    assert [change["path"] for change in found["changes"]] == ["text"]
    assert (await api.get(f"/api/calls/{call}/diff/{answer['id']}?message=7"))[0] == 404
    code, found = await api.get(f"/api/calls/{call}/diff/{answer['id']}?ignore=text,user..id")
    assert (code, found["error"]["column"], found["error"]["field"]) == (400, 11, "ignore")


async def test_an_edit_may_hold_an_any_of_a_type_that_only_loom_knows(api: LoomInstance) -> None:
    call = await api.call("Say", thing(text="a"))
    packed = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "NONE"}
    _, answer = await api.post(f"/api/calls/{call}/replay", {"messages": [{"any": packed}]})
    await api.ended.wait(answer["id"])
    _, view = await api.get(f"/api/calls/{answer['id']}/messages/0")
    assert view["json"] == {"any": packed}


async def test_an_edit_that_does_not_fit_is_422_with_its_place(api: LoomInstance) -> None:
    call = await api.call("Say", thing(text="a"))
    status, answer = await api.post(f"/api/calls/{call}/replay", {"messages": [{"mood": "MOOD_LOUD"}]})
    assert status == 422
    assert answer["error"]["message_index"] == 0
    assert answer["error"]["field"] == "mood"
    assert "MOOD_LOUD" in answer["error"]["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"target": "nonsense"}, 422),
        ({"deadline_ms": -1}, 422),
        ({"metadata": [{"key": "te", "value": "x"}]}, 422),
        ({"timing": "slow"}, 400),
        ({"massages": []}, 400),
        ([], 400),
    ],
)
async def test_a_body_that_is_wrong_is_refused(api: LoomInstance, body: Any, status: int) -> None:
    call = await api.call("Say", b"")
    answered, answer = await api.post(f"/api/calls/{call}/replay", body)
    assert answered == status
    assert answer["error"]["message"]
    assert len(api.mirror.received) == 1


async def test_loom_never_dials_itself(api: LoomInstance) -> None:
    call = await api.call("Say", b"")
    assert api.loom.ui_address is not None
    for port in (api.loom.ui_address.port, api.loom.listen_address.port):
        for host in ("localhost", "127.0.0.1", "[::1]", "0.0.0.0"):
            status, answer = await api.post(f"/api/calls/{call}/replay", {"target": f"{host}:{port}"})
            assert status == 422
            assert "Loom's own address" in answer["error"]["message"]
            assert answer["error"]["field"] == "target"
    assert len(api.loom.history) == 1


async def test_a_replay_is_guarded_like_every_unsafe_action(api: LoomInstance) -> None:
    call = await api.call("Say", b"")
    for headers in (
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example"},
    ):
        status, _ = await api.post(f"/api/calls/{call}/replay", {}, headers=headers)
        assert status == 403
    assert len(api.mirror.received) == 1


async def test_a_call_that_is_not_there_is_404(api: LoomInstance) -> None:
    for path in ("grpcurl", "protoset", "diff/1"):
        assert (await api.get(f"/api/calls/99/{path}"))[0] == 404
    assert (await api.post("/api/calls/99/replay", {}))[0] == 404


async def test_a_replay_under_way_ends_with_loom() -> None:
    async with running_mirror() as mirror, running_instance(mirror) as api:
        call = await api.call("Gather", thing(text="a"))
        recorded = api.loom.history.get(call)
        assert recorded is not None
        held = recorded.messages.get(0)
        assert held is not None
        held.time_ns += 10**12
        _, answer = await api.post(f"/api/calls/{call}/replay", {"timing": "recorded"})
        await api.loom.stop(0)
        replay = api.loom.history.get(answer["id"])
        assert replay is not None
        assert replay.note.startswith("Loom was stopped")


RULES = """
[[rule]]
name = "text"
match = "method:Say"
when = { point = "request-message" }
do = [{ set = "text", to = "went" }]

[[rule]]
name = "block"
match = "method:Say"
do = [{ metadata = { set = { x-a = "went" } } }]
"""


@pytest.mark.parametrize("source", ["went", "came"])
async def test_a_replay_of_an_altered_call_sends_what_went_on_or_what_came(
    tmp_path: Path, source: str
) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    async with running_mirror() as mirror, running_instance(mirror, rules=(path,)) as api:
        call = await api.call("Say", thing(text="came"), metadata=[("x-a", "came")])
        body = {} if source == "went" else {"source": "came"}
        _, answer = await api.post(f"/api/calls/{call}/replay", body)
        await api.ended.wait(answer["id"])
        _, replay = await api.get(f"/api/calls/{answer['id']}")
        edit = {**body, "messages": [{"text": "mine"}]}
        _, edited = await api.post(f"/api/calls/{call}/replay", edit)
        await api.ended.wait(edited["id"])
    _, sent, mine = mirror.received
    assert sent.messages == [thing(text=source)]
    assert ("x-a", source) in sent.metadata
    assert (
        replay["note"]
        == {
            "went": "sent as it went on, altered by rule 'block', rule 'text'",
            "came": "sent as it came from the client, before it was altered by rule 'block', rule 'text'",
        }[source]
    )
    assert replay["rules"] == []
    assert (mine.messages, ("x-a", source) in mine.metadata) == ([thing(text="mine")], True)


async def test_a_replay_passes_the_rules_in_force_where_that_is_asked() -> None:
    flags = ("method:Say :: duplicate=2; at=requests", "method:Spread :: status=ABORTED; message=no")
    async with running_mirror() as mirror, running_instance(mirror, fault=flags, fault_seed=5) as api:
        call = await api.call("Say", thing(text="a"))
        assert mirror.received[0].messages == [thing(text="a")] * 2

        async def send(**body: Any) -> list[bytes]:
            _, answer = await api.post(f"/api/calls/{call}/replay", body)
            await api.ended.wait(answer["id"])
            return mirror.received[-1].messages

        assert await send() == [thing(text="a")] * 2  # what went on
        assert await send(through_rules=True) == [thing(text="a")] * 2  # what came, and the rule acts on it
        assert await send(through_rules=True, source="went") == [thing(text="a")] * 4
        _, listed = await api.get("/api/rules")
        assert [rule["acted"] for rule in listed["rules"]] == [3, 0]
    async with running_mirror() as mirror, running_instance(mirror, engine="wire") as api:
        call = await api.call("Say", thing(text="a"))
        status, answer = await api.post(f"/api/calls/{call}/replay", {"through_rules": True})
        assert (status, answer["error"]["field"]) == (422, "through_rules")
        assert "the relay engine has (--engine relay)" in answer["error"]["message"]
