"""The beginning of a message's JSON, for the cost of the beginning: what is not shown is not decoded.

The whole JSON of a message of a megabyte can be five; nobody reads on when a page of it is open.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import EncodeError, Message

from .compiled_readers import is_map, key_of, key_text, set_fields
from .json_printer import ANY, LIST, STRUCT, VALUE, WELL_KNOWN, JsonPrinter, unopened

_AT_ONCE = 256  # elements of a list of scalars
_SMALL = 4096  # bytes; a message that is larger is taken apart, a smaller one read whole

encode = msgspec.json.encode


def beginning(mapping: JsonPrinter, message: Message, most: int) -> tuple[str, bool]:
    """At most ``most`` bytes of the JSON text, which is on one line, and whether this is all of it."""
    text = _Text(mapping, most)
    try:
        text.message(message)
    except _FullError:
        return b"".join(text.parts)[:most].decode("utf-8", "ignore"), False
    return b"".join(text.parts).decode(), True


class _FullError(Exception):
    """There is as much text as was wanted."""


class _Text:
    def __init__(self, mapping: JsonPrinter, most: int) -> None:
        self.parts: list[bytes] = []
        self._mapping = mapping
        self._left = most

    def message(self, message: Any) -> None:
        name = type(message).DESCRIPTOR.full_name
        kind = message.WhichOneof("kind") if name == VALUE else None
        if name == STRUCT:
            self._entries(message.fields)
        elif name == LIST:
            self._messages(message.values)
        elif kind in {"struct_value", "list_value"}:
            self.message(getattr(message, kind))
        elif name == ANY:
            self._any(message)
        elif name in WELL_KNOWN:
            self._value(self._mapping.value(message))
        else:
            self._put(b"{")
            self._fields(message, b"")
            self._put(b"}")

    def _put(self, text: bytes) -> None:
        self.parts.append(text)
        self._left -= len(text)
        if self._left < 0:
            raise _FullError

    def _value(self, value: Any) -> None:
        self._put(encode(value))

    def _fields(self, message: Message, comma: bytes) -> None:
        for field, value in set_fields(message):
            self._put(comma + encode(key_of(field)) + b":")
            comma = b","
            self._field(field, value)

    def _field(self, field: FieldDescriptor, value: Any) -> None:
        of: Any = field.message_type
        if is_map(field):
            if of.fields_by_name["value"].message_type is not None:
                self._entries(value)
            else:
                self._pieces(b"{}", field, sorted(value), lambda keys: {key: value[key] for key in keys})
        elif of is not None and field.is_repeated:
            self._messages(value)
        elif of is not None:
            self.message(value)
        elif field.is_repeated:
            self._pieces(b"[]", field, value, lambda some: some)
        else:
            self._value(self._converted(field, value))

    def _pieces(
        self, ends: bytes, field: FieldDescriptor, values: Sequence[Any], of: Callable[[Sequence[Any]], Any]
    ) -> None:
        """Scalars, a piece of the list or the map at once."""
        self._put(ends[:1])
        for start in range(0, len(values), _AT_ONCE):
            piece = self._converted(field, of(values[start : start + _AT_ONCE]))
            self._put((b"," if start else b"") + encode(piece)[1:-1])
        self._put(ends[1:])

    def _messages(self, values: Iterable[Message]) -> None:
        comma = b"["
        for value in values:
            self._put(comma)
            self._element(value)
            comma = b","
        self._put(b"[]" if comma == b"[" else b"]")

    def _entries(self, values: Any) -> None:
        comma = b"{"
        for key in sorted(values):
            self._put(comma + encode(key_text(key)) + b":")
            self._element(values[key])
            comma = b","
        self._put(b"{}" if comma == b"{" else b"}")

    def _element(self, message: Message) -> None:
        """One of many: whole if it is small, which is quicker."""
        try:
            small = type(message).ByteSize(message) <= _SMALL
        except EncodeError:  # a required field is missing
            small = False
        if small:
            self._value(self._mapping.value(message))
        else:
            self.message(message)

    def _any(self, message: Any) -> None:
        if len(message.value) <= _SMALL:
            self._value(self._mapping.value(message))
            return
        inner = self._mapping.opened(message)
        if inner is None:
            self._value(unopened(message))
            return
        self._put(b'{"@type":' + encode(message.type_url))
        self._mapping.any_depth += 1
        name = type(inner).DESCRIPTOR.full_name
        if name in WELL_KNOWN or name == ANY:
            self._put(b',"value":')
            self.message(inner)
        else:
            self._fields(inner, b",")
        self._mapping.any_depth -= 1
        self._put(b"}")

    def _converted(self, field: FieldDescriptor, value: Any) -> Any:
        convert = self._mapping.readers.convert(field)
        return value if convert is None else convert(value)
