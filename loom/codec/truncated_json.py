"""Print the beginning of a message's JSON; the rest of the message is not converted.

The JSON of a message of one megabyte can be five; the page shows the first 64 KB of it.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import EncodeError, Message

from .compiled_readers import is_map, json_key, key_text, set_fields
from .json_printer import ANY, LIST, STRUCT, VALUE, WELL_KNOWN, JsonPrinter, opaque_any

_BATCH = 256  # elements of a list or map of scalars that are printed at once
_SMALL_MESSAGE_BYTES = 4096  # printed at once; a larger message field by field

encode = msgspec.json.encode


def truncated_json(printer: JsonPrinter, message: Message, max_bytes: int) -> tuple[str, bool]:
    """At most ``max_bytes`` of the JSON text, on one line, and whether it is complete."""
    text = _Writer(printer, max_bytes)
    try:
        text.message(message)
    except _LimitError:
        return b"".join(text.parts)[:max_bytes].decode("utf-8", "ignore"), False
    return b"".join(text.parts).decode(), True


class _LimitError(Exception):
    """The limit of the text is reached."""


class _Writer:
    def __init__(self, printer: JsonPrinter, max_bytes: int) -> None:
        self.parts: list[bytes] = []
        self._printer = printer
        self._left = max_bytes

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
            self._value(self._printer.value(message))
        else:
            self._put(b"{")
            self._fields(message, b"")
            self._put(b"}")

    def _put(self, text: bytes) -> None:
        self.parts.append(text)
        self._left -= len(text)
        if self._left < 0:
            raise _LimitError

    def _value(self, value: Any) -> None:
        self._put(encode(value))

    def _fields(self, message: Message, comma: bytes) -> None:
        for field, value in set_fields(message):
            self._put(comma + encode(json_key(field)) + b":")
            comma = b","
            self._field(field, value)

    def _field(self, field: FieldDescriptor, value: Any) -> None:
        message_type: Any = field.message_type
        if is_map(field):
            if message_type.fields_by_name["value"].message_type is not None:
                self._entries(value)
            else:
                self._scalars(b"{}", field, sorted(value), lambda keys: {key: value[key] for key in keys})
        elif message_type is not None and field.is_repeated:
            self._messages(value)
        elif message_type is not None:
            self.message(value)
        elif field.is_repeated:
            self._scalars(b"[]", field, value, lambda batch: batch)
        else:
            self._value(self._convert(field, value))

    def _scalars(
        self,
        brackets: bytes,
        field: FieldDescriptor,
        values: Sequence[Any],
        select: Callable[[Sequence[Any]], Any],
    ) -> None:
        """Write a list or a map of scalars in batches."""
        self._put(brackets[:1])
        for start in range(0, len(values), _BATCH):
            batch = self._convert(field, select(values[start : start + _BATCH]))
            self._put((b"," if start else b"") + encode(batch)[1:-1])
        self._put(brackets[1:])

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
        """Write one of many messages; a small one at once, which is faster."""
        try:
            small = type(message).ByteSize(message) <= _SMALL_MESSAGE_BYTES
        except EncodeError:  # a required field is missing
            small = False
        if small:
            self._value(self._printer.value(message))
        else:
            self.message(message)

    def _any(self, message: Any) -> None:
        if len(message.value) <= _SMALL_MESSAGE_BYTES:
            self._value(self._printer.value(message))
            return
        inner = self._printer.unpack(message)
        if inner is None:
            self._value(opaque_any(message))
            return
        self._put(b'{"@type":' + encode(message.type_url))
        self._printer.any_depth += 1
        name = type(inner).DESCRIPTOR.full_name
        if name in WELL_KNOWN or name == ANY:
            self._put(b',"value":')
            self.message(inner)
        else:
            self._fields(inner, b",")
        self._printer.any_depth -= 1
        self._put(b"}")

    def _convert(self, field: FieldDescriptor, value: Any) -> Any:
        convert = self._printer.readers.converter(field)
        return value if convert is None else convert(value)
