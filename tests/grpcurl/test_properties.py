"""Random messages of random schemas: the command's JSON is the recorded message, or a note says that it is not."""

import json
import math
import shlex
from random import Random
from typing import Any

from google.protobuf import field_mask_pb2, json_format, message_factory
from google.protobuf.message import DecodeError
from hypothesis import assume, event, given, settings
from hypothesis import strategies as some

from loom.codec import JsonDecoder
from loom.codec.canonical import same_content
from loom.codec.lenient_parser import join_flaws, parse_message
from loom.decoding.call_decoder import DecodedCall
from loom.decoding.message_decoder import DecodedMessage
from loom.grpcurl.command import SchemaOptions, grpcurl_command
from loom.model import Address, Call, Direction, Endpoint, Kind, Secrets
from loom.schema import Method, Provenance
from tests.support.random_messages import RandomSchema, RandomWriter, random_schema

FLOAT_MAX = float.fromhex("0x1.fffffep+127")


def command_of(data: bytes, schema: RandomSchema) -> tuple[Any, tuple[str, ...]]:
    """The JSON of the command, None if there is no command, and the notes."""
    message, flaws = parse_message(data, schema.root)
    value = JsonDecoder(schema.pool).decode(message)
    request = DecodedMessage(
        0, Direction.REQUEST, value.json, join_flaws(flaws), value.problems, value.unknown_fields, data,
        descriptor=schema.root,
    )  # fmt: skip
    method = Method("/r.S/M", Kind.UNARY, schema.root, schema.root, Provenance("test", ""), schema.pool)
    call = Call(1, "/r.S/M", 0)
    call.request_messages = 1
    command = grpcurl_command(
        call, DecodedCall([request], method, schema.pool), Endpoint(Address("localhost", 1)), SchemaOptions(),
        Secrets(),
    )  # fmt: skip
    words = shlex.split(command.command)
    text = words[words.index("-d") + 1] if "-d" in words else None
    notes = tuple(note for note in command.notes if "the call is still open" not in note)
    return None if text is None else json.loads(text), notes


def canonical(value: Any) -> Any:
    """The JSON as ``json_format`` reads it: masks as text, and no decimal that is rounded to the largest float."""
    if isinstance(value, list):
        return [canonical(item) for item in value]
    if isinstance(value, float) and abs(value) == 3.4028235e38:
        return math.copysign(FLOAT_MAX, value)
    if not isinstance(value, dict):
        return value
    if value.keys() == {"paths"}:
        mask = field_mask_pb2.FieldMask(paths=value["paths"])
        words = [path.split("_") for path in mask.paths]
        text = ",".join("".join([first, *(word.title() for word in rest)]) for first, *rest in words)
        back = field_mask_pb2.FieldMask()
        back.FromJsonString(text)
        assume(back == mask)  # or only grpcurl's form can say it, which test_run tests
        return text
    return {key: canonical(item) for key, item in value.items()}


@settings(max_examples=300, deadline=None, derandomize=True)
@given(some.integers(0, 2**32))
def test_what_the_command_sends_is_the_recorded_message_or_a_note_says_so(seed: int) -> None:
    random = Random(seed)
    schema = random_schema(random)
    data = RandomWriter(schema, random).message(schema.root)
    try:
        value, notes = command_of(data, schema)
    except DecodeError:
        assume(False)
    if notes:
        event("with notes")
        return
    event("exact")
    sent: Any = message_factory.GetMessageClass(schema.root)()
    json_format.ParseDict(canonical(value), sent, descriptor_pool=schema.pool)
    assert same_content(data, sent.SerializePartialToString(), schema.root, schema.pool)
