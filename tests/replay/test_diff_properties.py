"""Random messages of random schemas: equal means equal bytes, or a difference that canonical protobuf does not see."""

from random import Random
from typing import Any

from google.protobuf import message_factory, text_format
from google.protobuf.message import DecodeError, Message
from hypothesis import assume, given, settings
from hypothesis import strategies as some

from loom.codec import JsonDecoder
from loom.codec.lenient_parser import join_flaws, parse_message
from loom.codec.wire_records import join_records, split_records
from loom.decoding.message_decoder import DecodedMessage
from loom.model import Direction
from loom.replay.diff import diff_messages
from tests.support.random_messages import RandomSchema, RandomWriter, random_schema


def decoded(data: bytes, schema: RandomSchema) -> DecodedMessage:
    message, flaws = parse_message(data, schema.root)
    value = JsonDecoder(schema.pool).decode(message)
    return DecodedMessage(
        0, Direction.RESPONSE, value.json, join_flaws(flaws), value.problems, value.unknown_fields, data,
        descriptor=schema.root,
    )  # fmt: skip


def differences(left: bytes, right: bytes, schema: RandomSchema) -> list[Any]:
    one, other = decoded(left, schema), decoded(right, schema)
    return list(diff_messages(one, other, "response 0", resolver=schema.pool))


def parsed(data: bytes, schema: RandomSchema) -> Message:
    return message_factory.GetMessageClass(schema.root).FromString(data)


def canonical(data: bytes, schema: RandomSchema) -> bytes:
    message = parsed(data, schema)
    return type(message).SerializePartialToString(message, deterministic=True)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(some.integers(0, 2**32))
def test_another_encoding_of_a_message_is_equal(seed: int) -> None:
    random = Random(seed)
    schema = random_schema(random)
    data = RandomWriter(schema, random).message(schema.root)
    try:
        other = canonical(data, schema)
        assume(not decoded(data, schema).error)
        assume(canonical(other, schema) == other)  # not so for entries of a map that count as unknown fields
    except DecodeError:
        assume(False)
    assert differences(data, other, schema) == []


@settings(max_examples=300, deadline=None, derandomize=True)
@given(some.integers(0, 2**32))
def test_a_message_with_other_content_differs(seed: int) -> None:
    """One record is left out, or two are exchanged; canonical protobuf says whether that is another content."""
    random = Random(seed)
    schema = random_schema(random)
    data = RandomWriter(schema, random).message(schema.root)
    try:
        canonical(data, schema)
        records = split_records(data)
        assume(records)
        if random.random() < 0.5:
            del records[random.randrange(len(records))]
        else:
            random.shuffle(records)
        other = join_records(records)
        assume(canonical(data, schema) != canonical(other, schema))
    except DecodeError:
        assume(False)
    assert differences(data, other, schema) != [] or only_anys_differ(data, other, schema)


def only_anys_differ(left: bytes, right: bytes, schema: RandomSchema) -> bool:
    """Whether two messages are the same but for the encoding of what is in their Anys."""
    return text_of(left, schema) == text_of(right, schema)


def text_of(data: bytes, schema: RandomSchema) -> str:
    return text_format.MessageToString(parsed(data, schema), descriptor_pool=schema.pool)
