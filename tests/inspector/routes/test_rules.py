"""Rules over HTTP: what there is, what it did, and its switches."""

from pathlib import Path
from typing import Any

from tests.support.loom_instance import running_instance
from tests.support.mirror import running_mirror, thing

RULES = """
[[rule]]
name = "louder"
match = "method:Chat"
when = { point = "response-message" }
do = [{ set = "text", to = "LOUD" }]
"""


async def test_rules_are_listed_counted_and_switched(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    options: dict[str, Any] = {"rules": (path,), "fault": ("method:Chat :: delay=1ms",), "fault_seed": 5}
    async with running_mirror() as mirror, running_instance(mirror, **options) as api:
        call = await api.call("Chat", thing(text="a"))
        _, listed = await api.get("/api/rules")
        assert (listed["enabled"], listed["acting"], listed["seed"], listed["problem"]) == (True, 2, 5, "")
        assert [(rule["name"], rule["kind"], rule["acted"]) for rule in listed["rules"]] == [
            ("louder", "rule", 1),
            ("--fault 1", "fault", 1),
        ]
        assert listed["rules"][0]["description"] == (
            "rule 'louder': on method:Chat: set text (response-message)"
        )
        _, summary = await api.get(f"/api/calls/{call}")
        assert (summary["flags"], summary["rules"], summary["faults"]) == (
            ["modified"], ["louder"], ["--fault 1"],
        )  # fmt: skip
        _, switched = await api.post("/api/rules", {"enabled": False, "name": "louder"})
        assert [rule["enabled"] for rule in switched["rules"]] == [False, True]
        _, switched = await api.post("/api/rules", {"enabled": False})
        assert (switched["enabled"], switched["acting"]) == (False, 0)
        call = await api.call("Chat", thing(text="b"))
        _, summary = await api.get(f"/api/calls/{call}")
        assert summary["faults"] == []
        status, answer = await api.post("/api/rules", {"enabled": True, "name": "quieter"})
        assert (status, answer["error"]["message"]) == (404, "no rule is named 'quieter'")


async def test_the_wire_engine_has_no_rules() -> None:
    async with running_mirror() as mirror, running_instance(mirror, engine="wire") as api:
        for status, answer, what in (
            (*await api.get("/api/rules"), "a rule or a fault"),
            (*await api.post("/api/rules/tables", {"fault": {"name": "flaky"}}), "the fault 'flaky'"),
            (*await api.get("/api/breakpoints"), "a breakpoint"),
            (*await api.post("/api/breakpoints", {"match": "method:Chat"}), "a breakpoint on 'method:Chat'"),
        ):
            assert (status, answer["error"]["message"], answer["error"]["hint"]) == (
                404,
                f"{what} cannot act here: the wire engine forwards bytes unchanged",
                "the relay engine can: --engine relay",
            )


async def test_rules_are_added_replaced_and_removed() -> None:
    table = {
        "name": "louder",
        "match": "method:Chat",
        "for": "1h",
        "when": {"point": "request-message"},
        "do": [{"set": "text", "to": "LOUD"}],
    }
    async with running_mirror() as mirror, running_instance(mirror) as api:
        status, added = await api.post("/api/rules/tables", {"rule": table})
        [rule] = added["rules"]
        assert (status, rule["name"], rule["source"]) == (200, "louder", "api")
        assert 3590 < rule["expires_in_s"] <= 3600
        await api.call("Chat", thing(text="a"))
        assert (await mirror.call(0)).messages == [thing(text="LOUD")]

        status, answer = await api.post("/api/rules/tables", {"rule": table})
        assert (status, answer["error"]["field"]) == (409, "name")
        fault = {"name": "gone", "match": "method:Get", "status": "ABORTED"}
        _, replaced = await api.send("PUT", "/api/rules/tables", {"name": "louder", "fault": fault})
        assert [(rule["name"], rule["kind"]) for rule in replaced["rules"]] == [("gone", "fault")]
        await api.post("/api/rules", {"enabled": False, "name": "gone"})
        _, text = await api.get("/api/rules/tables")
        assert text["toml"] == (
            '[[fault]]\nname = "gone"\nmatch = "method:Get"\nstatus = "ABORTED"\nenabled = false\n'
        )

        status, answer = await api.send("PUT", "/api/rules/tables", {"name": "x", "fault": fault})
        assert (status, answer["error"]["message"]) == (404, "no rule 'x' was added here")
        status, answer = await api.post("/api/rules/tables", {"fault": {**fault, "at": "noon"}})
        assert (status, answer["error"]["field"]) == (422, "at")
        status, answer = await api.post("/api/rules/tables", {"fault": fault, "rule": table})
        assert status == 400
        status, removed = await api.send("DELETE", "/api/rules/tables?name=gone")
        assert (status, removed["rules"]) == (200, [])
        status, _ = await api.send("DELETE", "/api/rules/tables?name=gone")
        assert status == 404


async def test_a_rule_is_tried_on_the_calls_in_memory() -> None:
    table = {
        "name": "louder",
        "match": "method:Chat",
        "when": {"point": "request-message"},
        "do": [{"set": "text", "to": "LOUD"}],
    }
    async with running_mirror() as mirror, running_instance(mirror) as api:
        await api.call("Unary", thing(text="z"))
        for text in ("a", "LOUD", "b"):
            call = await api.call("Chat", thing(text=text))
        status, result = await api.post("/api/rules/dry-run", {"rule": table, "shown": 2})
        assert (status, result["description"]) == (
            200, "rule 'louder': on method:Chat: set text (request-message)",
        )  # fmt: skip
        assert (result["tried"], result["matched"], result["acted"], result["skipped"]) == (4, 3, 2, 0)
        newest, before = result["calls"]
        [item] = newest["items"]
        assert (newest["id"], item["point"], item["effects"]) == (call, "request-message", ["set text"])
        assert item["changes"] == [
            {"where": "", "path": "text", "kind": "changed", "left": "b", "right": "LOUD"}
        ]
        assert before["items"] == []
        fault = {"match": "method:Chat", "status": "ABORTED", "message": "no", "delay": "1s", "times": 1}
        _, result = await api.post("/api/rules/dry-run", {"fault": {**fault, "enabled": False}})
        [item] = result["calls"][0]["items"]
        assert (result["matched"], result["acted"], item["delay_us"]) == (3, 1, 1_000_000)
        assert item["ends_with"] == {"code": 10, "name": "ABORTED", "message": "no"}
        _, result = await api.post("/api/rules/dry-run", {"fault": fault, "limit": 0})
        assert (result["tried"], result["calls"]) == (0, [])
        status, answer = await api.post("/api/rules/dry-run", {"fault": {**fault, "match": "meat:x"}})
        assert (status, answer["error"]["field"], answer["error"]["column"]) == (422, "match", 0)
        _, listed = await api.get("/api/rules")
        assert listed["rules"] == []
