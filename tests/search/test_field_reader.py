"""Fields of recorded calls, read with the schema that was stored with them."""

import gzip

from loom.model import Call, Direction, Message
from loom.search.field_reader import FieldReader
from tests.support.mirror import SERVICE, thing
from tests.support.session_files import stored_schema


def call_with(data: bytes, **fields: object) -> Call:
    call = Call(1, f"/{SERVICE}/Say", 0)
    call.messages.append(Message(0, Direction.REQUEST, 0, len(data), data, **fields))  # type: ignore[arg-type]
    return call


def test_fields_have_their_names_and_decompressed_values() -> None:
    call = call_with(gzip.compress(thing(text="hello", big=7)), compressed=True, encoding="gzip")
    assert set(FieldReader(stored_schema()).fields(call)) == {("text", "hello"), ("big", "7")}


def test_a_string_that_is_not_utf_8_does_not_hide_the_other_fields() -> None:
    data = thing(text="BAD", big=7).replace(b"BAD", b"x\xff!")
    reader = FieldReader(stored_schema())
    assert set(reader.fields(call_with(data))) == {("text", "x\ufffd!"), ("big", "7")}
    assert ("big", "7") in set(reader.fields(call_with(data), "7"))


def test_bytes_that_are_not_a_message_are_read_by_number() -> None:
    [(path, text), *_] = FieldReader(stored_schema()).fields(call_with(b"\x08\x05\xff"))
    assert (path, text) == ("", "\x08\x05\ufffd")
