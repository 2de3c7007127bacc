"""Interceptions over HTTP: nothing that was altered is silent, and what came can be seen."""

import contextlib
from pathlib import Path

import grpc.aio

from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import running_mirror, thing

RULES = """
[[rule]]
name = "louder"
match = "method:Chat"
when = { point = "response-message", index = 1 }
do = [{ set = "text", to = "LOUD" }]

[[rule]]
name = "marked"
match = "method:Chat"
do = [{ metadata = { set = { authorization = "Bearer other", x-env = "dev" } } }]
"""


async def fetch(api: LoomInstance, path: str) -> tuple[int, bytes, str]:
    async with api.http.get(path) as answer:
        return answer.status, await answer.read(), answer.headers.get("Content-Disposition", "")


async def test_a_call_lists_what_was_altered_with_what_came(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    async with running_mirror() as mirror, running_instance(mirror, rules=(path,)) as api:
        call = await api.call(
            "Chat",
            *(thing(text=text) for text in ("one", "two")),
            metadata=[("authorization", "Bearer secret"), ("x-tenant", "42")],
        )
        _, detail = await api.get(f"/api/calls/{call}")
        metadata, message = detail["interceptions"]
        assert (metadata["point"], metadata["altered"], metadata["position"]) == (
            "request-metadata", True, None,
        )  # fmt: skip
        assert [(action["kind"], action["name"]) for action in metadata["actions"]] == [("rule", "marked")]
        came = {item["key"]: (item["value"], item["masked"]) for item in metadata["metadata"]}
        assert came["authorization"] == ("••••••", True)
        assert came["x-tenant"] == ("42", False)
        assert "x-env" not in came
        assert "x-env" in {item["key"] for item in detail["metadata"]["request"]}
        assert message["actions"] == [
            {"kind": "rule", "name": "louder", "effect": "set text", "applied": True}
        ]
        assert (message["point"], message["index"], message["count"]) == ("response-message", 1, 1)
        original = thing(text="two")
        assert (message["original_size"], message["original_held"]) == (len(original), True)
        assert (message["metadata"], message["status"], detail["dropped_interceptions"]) == (None, None, 0)

        _, view = await api.get(f"/api/calls/{call}/messages/{message['position']}")
        assert view["json"] == {"text": "LOUD"}
        _, view = await api.get(f"/api/calls/{call}/originals/1")
        assert view["json"] == {"text": "two"}
        assert (view["index"], view["direction"]) == (message["position"], "response")
        name = f'attachment; filename="call-{call}-original-1.bin"'
        assert await fetch(api, f"/api/calls/{call}/originals/1?raw=1") == (200, original, name)

        _, detail = await api.get(f"/api/calls/{call}?reveal=1")
        revealed = {item["key"]: item["value"] for item in detail["interceptions"][0]["metadata"]}
        assert revealed["authorization"] == "Bearer secret"
        for number in (0, 2):  # metadata, and none
            status, answer = await api.get(f"/api/calls/{call}/originals/{number}")
            assert (status, answer["error"]["message"]) == (404, f"call {call} has no original {number}")


async def test_a_message_that_was_dropped_and_a_status_can_be_seen() -> None:
    faults = ("method:Chat :: drop; at=message 2", "method:Chat :: status=DATA_LOSS; at=trailers")
    async with running_mirror() as mirror, running_instance(mirror, fault=faults) as api:
        with contextlib.suppress(grpc.aio.AioRpcError):
            await api.call("Chat", thing(text="one"), thing(text="two"))
        await api.ended.wait(1)
        _, detail = await api.get("/api/calls/1")
        assert detail["status"]["name"] == "DATA_LOSS"
        dropped, status = detail["interceptions"]
        assert (dropped["count"], dropped["position"], dropped["original_held"]) == (0, None, True)
        _, view = await api.get("/api/calls/1/originals/0")
        assert view["json"] == {"text": "two"}
        assert (status["point"], status["status"]["name"], status["original_held"]) == ("status", "OK", False)
        assert "mirrored" in {item["key"] for item in status["metadata"]}


async def test_a_call_on_which_nothing_acts_has_no_interceptions(api: LoomInstance) -> None:
    call = await api.call("Chat", thing(text="a"))
    _, detail = await api.get(f"/api/calls/{call}")
    assert (detail["interceptions"], detail["dropped_interceptions"]) == ([], 0)


async def test_a_message_that_only_came_late_has_no_original() -> None:
    async with (
        running_mirror() as mirror,
        running_instance(mirror, fault=("method:Chat :: delay=1ms; at=message 1",)) as api,
    ):
        call = await api.call("Chat", thing(text="a"))
        _, detail = await api.get(f"/api/calls/{call}")
        [delayed] = detail["interceptions"]
        assert (delayed["altered"], delayed["original_size"], delayed["count"]) == (False, None, 1)
        assert delayed["held_us"] >= 1000
        status, _ = await api.get(f"/api/calls/{call}/originals/0")
        assert status == 404
