"""Bytes that nobody meant, and messages of every shape: nothing raises, and what is decoded is what was encoded."""

import contextlib
import json
import math

import msgspec
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as some

from loom.codec import DecodeError, Payload, decode, encode, preview_payload, view_payload, wire_view
from loom.codec.json_printer import JsonPrinter
from loom.codec.scalars import single
from loom.codec.truncated_json import truncated_json
from loom.compression import CompressionError, decompress
from tests.support.narrowing import descriptor_of
from tests.support.protos import an_any, content, descriptor, linked_protos, message

quick = settings(max_examples=80, deadline=None, derandomize=True)

TYPES = [
    "Scalars",
    "Optionals",
    "Lists",
    "Maps",
    "Choice",
    "WellKnown",
    "Tree",
    "Old",
    "older.Base",
    "edition.Modern",
]

varints = some.integers(0, 2**64 - 1)
text = some.text(max_size=8)
numbers = some.floats(width=64)
floats = some.floats(width=32)
int32, int64 = some.integers(-(2**31), 2**31 - 1), some.integers(-(2**63), 2**63 - 1)
uint32, uint64 = some.integers(0, 2**32 - 1), varints

scalars = some.builds(
    lambda fields: message("Scalars", **fields),
    some.fixed_dictionaries(
        {},
        optional={
            "f_double": numbers, "f_float": floats, "f_int32": int32, "f_int64": int64, "f_uint32": uint32,
            "f_uint64": uint64, "f_sint32": int32, "f_sint64": int64, "f_fixed32": uint32, "f_fixed64": uint64,
            "f_sfixed32": int32, "f_sfixed64": int64, "f_bool": some.booleans(), "f_string": text,
            "f_bytes": some.binary(max_size=8), "f_enum": int32,
        },
    ),
)  # fmt: skip
lists = some.builds(
    lambda fields: message("Lists", **fields),
    some.fixed_dictionaries(
        {},
        optional={
            "f_double": some.lists(numbers, max_size=3), "f_float": some.lists(floats, max_size=3),
            "f_int64": some.lists(int64, max_size=3), "f_bool": some.lists(some.booleans(), max_size=3),
            "f_string": some.lists(text, max_size=3), "f_bytes": some.lists(some.binary(max_size=4), max_size=3),
            "f_enum": some.lists(int32, max_size=3), "f_message": some.lists(scalars, max_size=2),
            "packed": some.lists(int32, max_size=3), "unpacked": some.lists(int32, max_size=3),
        },
    ),
)  # fmt: skip
maps = some.builds(
    lambda fields: message("Maps", **fields),
    some.fixed_dictionaries(
        {},
        optional={
            "by_int32": some.dictionaries(int32, text, max_size=2),
            "by_int64": some.dictionaries(int64, numbers, max_size=2),
            "by_uint64": some.dictionaries(uint64, int64, max_size=2),
            "by_bool": some.dictionaries(some.booleans(), text, max_size=2),
            "by_fixed64": some.dictionaries(uint64, scalars, max_size=2),
        },
    ),
)
anys = some.builds(lambda inner: message("WellKnown", any=an_any(inner)), some.one_of(scalars, lists, maps))
messages = some.one_of(scalars, lists, maps, anys)


@some.composite
def wire(draw: some.DrawFn, depth: int = 3) -> bytes:
    """Bytes that look like protobuf: fields of every wire type, nested, sometimes cut short."""
    out = b""
    for _ in range(draw(some.integers(0, 4))):
        number, kind = draw(some.integers(1, 20)), draw(some.sampled_from([0, 1, 2, 3, 5]))
        tag = _varint(number << 3 | kind)
        if kind == 0:
            out += tag + _varint(draw(varints))
        elif kind == 2:
            inner = (
                draw(wire(depth - 1)) if depth and draw(some.booleans()) else draw(some.binary(max_size=12))
            )
            out += tag + _varint(len(inner)) + inner
        elif kind == 3:
            out += tag + (draw(wire(depth - 1)) if depth else b"") + _varint(number << 3 | 4)
        else:
            size = 8 if kind == 1 else 4
            out += tag + draw(some.binary(min_size=size, max_size=size))
    return out[: draw(some.integers(0, len(out)))] if draw(some.integers(0, 9)) == 0 else out


def as_text(value: object) -> str:
    """What tells -0.0 from 0.0, and not one order of a map from another."""
    return json.dumps(value, sort_keys=True)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


@quick
@given(messages)
def test_json_is_that_of_json_format_and_comes_back_as_the_same_message(value: Message) -> None:
    kind = descriptor_of(value)
    data = value.SerializeToString(deterministic=True)
    decoded = content(data, kind)
    assert decoded.value.problems == ""
    expected = json_format.MessageToDict(value, descriptor_pool=linked_protos().pool)
    assert as_text(decoded.value.json) == as_text(expected)
    back = encode(json.loads(decoded.text), kind, linked_protos().pool)
    assert as_text(decode(back, kind, linked_protos().pool).json) == as_text(decoded.value.json)
    assert len(back) == len(data)


@quick
@given(some.sampled_from(TYPES), wire() | some.binary(max_size=60))
def test_any_bytes_are_decoded_or_rejected(name: str, data: bytes) -> None:
    kind = descriptor(name)
    try:
        decoded = content(data, kind)
    except DecodeError:
        return
    json.loads(decoded.text)
    value = decoded.value
    again = encode(value.json, kind, linked_protos().pool, original=data) if not value.problems else None
    if again is not None and name not in {"Maps", "Tree", "Old"}:  # a map may repeat a key on the wire
        assert decode(again, kind, linked_protos().pool).json == value.json


@quick
@given(wire() | some.binary(max_size=200))
def test_the_schemaless_view_takes_any_bytes(data: bytes) -> None:
    msgspec.json.encode(wire_view(data))


@quick
@given(
    wire() | some.binary(max_size=100),
    some.sampled_from(["", "gzip", "deflate", "zstd", "snappy"]),
    some.sampled_from(["proto", "json", "thrift"]),
    some.sampled_from([None, *TYPES]),
)
def test_every_view_of_any_payload_can_be_shown(
    data: bytes, compression: str, encoding: str, name: str | None
) -> None:
    kind = descriptor(name) if name else None
    payload = Payload(data, compression, encoding)
    view = view_payload(payload, kind, linked_protos().pool, 64)
    msgspec.json.encode(view)
    line, _ = preview_payload(payload, kind, linked_protos().pool)
    assert len(line) <= 200


@quick
@given(some.binary(max_size=100), some.sampled_from(["gzip", "deflate", "zstd"]))
def test_any_bytes_are_decompressed_or_rejected(data: bytes, encoding: str) -> None:
    with contextlib.suppress(CompressionError):
        assert len(decompress(data, encoding, 1000)) <= 1000


@quick
@given(floats)
def test_a_float_reads_back_as_itself(number: float) -> None:
    shown = single(number)
    assert (
        str(shown) == "NaN"
        if math.isnan(number)
        else message("Scalars", f_float=float(shown)).f_float == number
    )


@quick
@given(messages)
def test_compiled_and_field_by_field_readers_agree(value: Message) -> None:
    readers = JsonPrinter(linked_protos().pool).readers
    kind = descriptor_of(value)
    assert as_text(readers.compile(kind)(value)) == as_text(readers.field_by_field()(value))


@quick
@given(messages, some.integers(0, 200))
def test_truncated_json_is_a_prefix(value: Message, most: int) -> None:
    whole, complete = truncated_json(JsonPrinter(linked_protos().pool), value, 1_000_000)
    assert complete
    assert as_text(json.loads(whole)) == as_text(JsonPrinter(linked_protos().pool).value(value))
    text, complete = truncated_json(JsonPrinter(linked_protos().pool), value, most)
    assert complete == (len(whole.encode()) <= most)
    assert whole.startswith(text)
    assert len(text.encode()) in range(min(most, len(whole.encode())) - 3, most + 1)
