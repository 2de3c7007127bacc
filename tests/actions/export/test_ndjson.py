"""Exported lines have the messages decoded and what decodes them, and come back byte for byte."""

import json
from pathlib import Path

import jsonschema

from loom.model import Call
from loom.recording.ndjson import json_schema
from tests.support.exports import assert_same, export, imported


async def test_comes_back_as_it_was(calls: list[Call], tmp_path: Path) -> None:
    path = tmp_path / "calls.ndjson"
    path.write_bytes(export("ndjson", calls, reveal=True))
    found, problems = imported(path)
    assert problems == []
    assert_same(found, calls)


async def test_messages_are_decoded_too(calls: list[Call]) -> None:
    lines = [json.loads(line) for line in export("ndjson", calls).splitlines()]
    assert [line["type"] for line in lines] == ["header", "descriptors", "call", "call", "call", "call"]
    assert lines[2]["messages"][0]["json"] == {"text": "Alice", "big": "9007199254740993"}
    validator = jsonschema.Draft202012Validator(json_schema())
    for line in lines:
        assert [error.message for error in validator.iter_errors(line)] == []


async def test_what_does_not_decode_has_no_json(calls: list[Call], tmp_path: Path) -> None:
    next(iter(calls[0].messages)).data = b"\xff\xff"
    next(iter(calls[0].messages)).size = 2
    line = json.loads(export("ndjson", calls[:1]).splitlines()[-1])
    assert "json" not in line["messages"][0]
    assert line["messages"][0]["data"] == "//8="
