"""Exported lines have the messages decoded and what decodes them, and come back byte for byte."""

import json
from pathlib import Path

import jsonschema
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from loom.decoding.stored_schema import StoredSchema
from loom.formats import get_writer
from loom.formats.destination import Destination
from loom.model import Call, StoredDescriptorSet
from loom.recording.ndjson import json_schema
from tests.support.bench import Bench
from tests.support.exports import assert_same, export, imported
from tests.support.mirror import make, thing
from tests.support.session_files import stored_descriptors
from tests.support.traffic import recorded, unary


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


async def test_an_any_is_opened_by_whatever_set_knows_its_type(bench: Bench) -> None:
    other = FileDescriptorProto(name="other.proto", package="other", syntax="proto3")
    other.message_type.add(name="Note").field.add(name="text", number=1, type="TYPE_STRING", label=1)
    schema = StoredSchema(
        [
            stored_descriptors(),
            StoredDescriptorSet("b:1", "protos", "", 1, FileDescriptorSet(file=[other]).SerializeToString()),
        ]
    )
    note = make("google.protobuf.Any", type_url="type.googleapis.com/other.Note", value=b"\x0a\x02hi")
    call = await bench.call("Say", [thing(any=note)])
    lines = b"".join(get_writer("ndjson")([call], schema, None, Destination(), {})).splitlines()
    opened = {"@type": "type.googleapis.com/other.Note", "text": "hi"}
    assert json.loads(lines[-1])["messages"][0]["json"] == {"any": opened}


async def test_the_keys_of_maps_are_in_order(bench: Bench) -> None:
    """A file that is written twice is the same file."""
    keys = [f"key {number:03}" for number in range(50)]
    free = make("google.protobuf.Struct")
    json_format.ParseDict(dict.fromkeys(reversed(keys), 1), free)
    named = {key: make("Part", name=key) for key in reversed(keys)}
    call = await bench.call("Say", [thing(named=named, free=free)])
    value = json.loads(export("ndjson", [call]).splitlines()[-1])["messages"][0]["json"]
    assert (list(value["named"]), list(value["free"])) == (keys, keys)


async def test_what_does_not_decode_has_no_json(calls: list[Call], tmp_path: Path) -> None:
    next(iter(calls[0].messages)).data = b"\xff\xff"
    next(iter(calls[0].messages)).size = 2
    line = json.loads(export("ndjson", calls[:1]).splitlines()[-1])
    assert "json" not in line["messages"][0]
    assert line["messages"][0]["data"] == "//8="


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "calls.ndjson"
    calls = recorded(*unary(1))
    path.write_bytes(b"\xef\xbb\xbf" + export("ndjson", calls))
    found, problems = imported(path)
    assert (len(found), problems) == (1, [])
