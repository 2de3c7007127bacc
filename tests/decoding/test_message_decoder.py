"""One message as a JSON value, or why not."""

import gzip
from typing import Any

import pytest

from loom.decoding.message_decoder import DecodedMessage, MessageDecoder, decompress_message, payload_of
from loom.model import Direction, Kind, Message
from loom.schema import Method, Provenance
from tests.support.protos import an_any, descriptor, linked_protos, message

SCALARS = message("Scalars", f_string="x", f_int64=7).SerializeToString()


def a_message(data: bytes | None, **fields: Any) -> Message:
    return Message(3, Direction.REQUEST, 1_000, len(data or b""), data, **fields)


def decoder(type_name: str | None = "Scalars") -> MessageDecoder:
    pool = linked_protos().pool
    if type_name is None:
        return MessageDecoder(None, pool, "no schema")
    kind = descriptor(type_name)
    method = Method("/t.S/Do", Kind.UNARY, kind, descriptor("Tree"), Provenance("test", ""), pool)
    return MessageDecoder(method, pool, "")


def test_a_message_has_its_value_its_bytes_and_its_type() -> None:
    assert decoder().decode(a_message(SCALARS)) == DecodedMessage(
        3, Direction.REQUEST, {"fInt64": "7", "fString": "x"}, data=SCALARS, descriptor=descriptor("Scalars")
    )


@pytest.mark.parametrize("encoding", ["gzip", ""], ids=["declared", "undeclared"])
def test_a_compressed_message_is_decompressed(encoding: str) -> None:
    item = a_message(gzip.compress(SCALARS), compressed=True, encoding=encoding)
    decoded = decoder().decode(item)
    assert (decoded.json["fString"], decoded.data, decoded.error) == ("x", SCALARS, "")
    assert decompress_message(item) == SCALARS
    assert payload_of(item).compression == "gzip"


def test_a_message_without_a_schema_has_its_bytes_and_the_reason() -> None:
    decoded = decoder(None).decode(a_message(SCALARS))
    assert (decoded.json, decoded.error, decoded.data) == (None, "no schema", SCALARS)


@pytest.mark.parametrize(
    ("item", "error", "data"),
    [
        (a_message(None), "its bytes are no longer held", None),
        (a_message(b"no gzip", compressed=True, encoding="gzip"), "not valid gzip", None),
        (a_message(SCALARS, compressed=True, encoding="lzma"), "'lzma' is not supported", None),
        (a_message(b"\x72\xff"), "not a valid loom.test.Scalars", b"\x72\xff"),
    ],
    ids=["dropped", "corrupt", "unsupported", "invalid"],
)
def test_what_cannot_be_decoded_has_the_reason(item: Message, error: str, data: bytes | None) -> None:
    decoded = decoder().decode(item)
    assert error in decoded.error
    assert (decoded.json, decoded.data) == (None, data)


def test_a_message_that_is_not_exact_has_its_value_and_the_place() -> None:
    data = SCALARS.replace(b"x", b"\xff")
    decoded = decoder().decode(a_message(data))
    assert decoded.json == {"fInt64": "7", "fString": "�"}
    assert decoded.error.startswith("fString: not valid UTF-8")
    assert decoded.data == data


def test_unknown_fields_and_missing_types_are_reported() -> None:
    assert decoder("Old").decode(a_message(message("New", added=5).SerializeToString())).unknown_fields
    unknown = message("google.protobuf.Any", type_url="x/no.Such", value=b"\1")
    data = message("WellKnown", any=unknown).SerializeToString()
    decoded = decoder("WellKnown").decode(a_message(data))
    assert decoded.missing_types == {"no.Such"}
    assert "no source knows no.Such" in decoded.json_problems
    known = message("WellKnown", any=an_any(message("Scalars", f_bool=True))).SerializeToString()
    assert decoder("WellKnown").decode(a_message(known)).missing_types == frozenset()
