"""The fields of a message as paths and texts, for a filter's ``body:``."""

import base64
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from loom.codec import ChainResolver
from loom.codec.compiled_readers import set_fields
from loom.codec.json_printer import JsonPrinter
from loom.codec.lenient_parser import parse_message
from loom.codec.node import Budget
from loom.codec.wire_parser import BudgetExceededError, WireFormatError, parse_fields
from loom.codec.wire_parser import Field as WireField

from .text_prefilter import TextPrefilter

Field = tuple[str, str]
"""A path and the text of the value there: ``("items.0.sku", "A-1")``."""

FindType = Callable[[str], Descriptor | None]
Visit = Callable[[Any, str, list[Field], int], None]
"""Appends the fields of a value to a list. Arguments: the value, its path, the list, the nesting depth."""

_AS_JSON = frozenset(
    f"google.protobuf.{name}"
    for name in (
        "Timestamp", "Duration", "FieldMask", "Struct", "Value", "ListValue", "DoubleValue", "FloatValue",
        "Int64Value", "UInt64Value", "Int32Value", "UInt32Value", "BoolValue", "StringValue", "BytesValue",
    )
)  # fmt: skip
_STRUCT_TYPES = frozenset(f"google.protobuf.{name}" for name in ("Struct", "Value", "ListValue"))
_ANY = "google.protobuf.Any"
_MAX_DEPTH = 100


class FieldWalker:
    """Walks messages field by field; the visitor of each message type is built once.

    Numbers are in decimal, enums by name, bytes both as base64 and as text. Paths have the names of the .proto file.
    ``find_type`` finds the type of an Any. With a ``prefilter`` only the fields are visited that may contain its text
    while the message's bytes do not.
    """

    def __init__(self, find_type: FindType, prefilter: TextPrefilter | None = None) -> None:
        self._find_type = find_type
        self._prefilter = prefilter
        self._printer = JsonPrinter(ChainResolver(()))
        self._visitors: dict[Any, Visit | None] = {}
        self._type_matches: dict[Any, bool] = {}

    def bytes_may_match(self, data: bytes) -> bool:
        """Whether a string in these bytes may contain the prefilter's text: then every field must be visited."""
        return self._prefilter is None or self._prefilter.matches_bytes(data)

    def type_may_match(self, message_class: Any) -> bool:
        """Whether a message of this class, or of None (no schema), may have a field for this walker."""
        if message_class not in self._type_matches:
            self._type_matches[message_class] = (
                self._prefilter is None
                or self._prefilter.matches_unknown_field()
                or (message_class is not None and self._may_match(message_class.DESCRIPTOR))
            )
        return self._type_matches[message_class]

    def fields(self, data: bytes, message_class: Any) -> list[Field]:
        """The fields of a message; by number if its class is None or cannot parse it."""
        fields: list[Field] = []
        if message_class is None:
            self._visit_bytes(data, "", fields)
            return fields
        try:
            message, _ = parse_message(data, message_class.DESCRIPTOR)
        except DecodeError:
            self._visit_bytes(data, "", fields)
            return fields
        self._visit_message(message, "", fields, 0)
        return fields

    def _visit_bytes(self, data: bytes, at: str, fields: list[Field]) -> None:
        """The bytes as one text, then field by field with numbers for names."""
        if self._prefilter is None or self._prefilter.matches_unknown_field():
            fields.append((at, data.decode("utf-8", "replace")))
            _visit_wire_fields(_wire_fields(data, budget := Budget(0)), at, 0, budget, fields)

    def _may_match(self, descriptor: Descriptor) -> bool:
        """Whether such a message may have a field for this walker, at any depth."""
        prefilter = self._prefilter
        if prefilter is None:
            return True
        seen = {descriptor}
        stack = [descriptor]
        while stack:
            kind = stack.pop()
            if kind.full_name in _AS_JSON:
                if prefilter.matches_well_known(kind):
                    return True
                continue
            if (kind.full_name == _ANY or kind.is_extendable) and prefilter.matches_any_message():
                return True
            for field in kind.fields:
                if field.message_type is None:
                    if prefilter.matches_field(field):
                        return True
                elif field.message_type not in seen:
                    seen.add(field.message_type)
                    stack.append(field.message_type)
        return False

    def _visit_message(self, message: Any, at: str, fields: list[Field], depth: int) -> None:
        descriptor = type(message).DESCRIPTOR  # of the class: a field of the message may have this name
        if descriptor not in self._visitors:
            self._visitors[descriptor] = self._visitor(descriptor) if self._may_match(descriptor) else None
        visit = self._visitors[descriptor]
        if visit is not None and depth <= _MAX_DEPTH:
            visit(message, at, fields, depth)

    def _visitor(self, descriptor: Descriptor) -> Visit:
        if descriptor.full_name in _AS_JSON:
            return self._json_visitor(integers=descriptor.full_name in _STRUCT_TYPES)
        return self._visit_any if descriptor.full_name == _ANY else self._field_visitor()

    def _json_visitor(self, *, integers: bool) -> Visit:
        def visit(message: Any, at: str, fields: list[Field], _depth: int) -> None:
            _visit_json(self._printer.value(message), at, fields, integers=integers)

        return visit

    def _field_visitor(self) -> Visit:
        visitors: dict[int, tuple[str, Visit] | None] = {}

        def visit(message: Any, at: str, fields: list[Field], depth: int) -> None:
            prefix = f"{at}." if at else ""
            for field, value in set_fields(message):
                number = field.number
                if number not in visitors:
                    visitors[number] = self._field_entry(field)
                entry = visitors[number]
                if entry is not None:
                    entry[1](value, prefix + entry[0], fields, depth)

        return visit

    def _field_entry(self, field: FieldDescriptor) -> tuple[str, Visit] | None:
        """The name and visitor of a field; None if it cannot match."""
        inner = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            key, value = inner.fields_by_name["key"], inner.fields_by_name["value"]
            entry = self._field_entry(value)
            keys_match = self._prefilter is None or self._prefilter.matches_field(key)
            if entry is None and not keys_match:
                return None
            return field.name, _map_visitor(_skip if entry is None else entry[1], keys=keys_match)
        if inner is not None:
            visit: Visit = self._visit_nested
            matches = self._may_match(inner)
        else:
            visit = _scalar_visitor(field)
            matches = self._prefilter is None or self._prefilter.matches_field(field)
        if not matches:
            return None
        return field.name, _list_visitor(visit) if field.is_repeated else visit

    def _visit_nested(self, message: Any, at: str, fields: list[Field], depth: int) -> None:
        self._visit_message(message, at, fields, depth + 1)

    def _visit_any(self, message: Any, at: str, fields: list[Field], depth: int) -> None:
        fields.append((f"{at}.@type" if at else "@type", message.type_url))
        descriptor = self._find_type(message.type_url.rpartition("/")[2])
        if descriptor is None:
            self._visit_bytes(message.value, at, fields)
            return
        try:
            inner, _ = parse_message(message.value, descriptor)
        except DecodeError:
            self._visit_bytes(message.value, at, fields)
            return
        self._visit_message(inner, at, fields, depth + 1)


def _skip(_value: Any, _at: str, _fields: list[Field], _depth: int) -> None:
    pass


def _list_visitor(visit: Visit) -> Visit:
    def visit_all(values: Any, at: str, fields: list[Field], depth: int) -> None:
        for index, value in enumerate(values):
            visit(value, f"{at}.{index}", fields, depth)

    return visit_all


def _map_visitor(visit: Visit, *, keys: bool) -> Visit:
    def visit_all(values: Any, at: str, fields: list[Field], depth: int) -> None:
        for key in values:
            if keys:
                fields.append((at, str(key)))
            visit(values[key], f"{at}.{key}", fields, depth)

    return visit_all


def _scalar_visitor(field: FieldDescriptor) -> Visit:
    if field.enum_type is not None:
        return _enum_visitor(field.enum_type)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return _visit_bool
    if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
        return _visit_string
    return _visit_number


def _enum_visitor(kind: EnumDescriptor) -> Visit:
    def visit(value: Any, at: str, fields: list[Field], _depth: int) -> None:
        member = kind.values_by_number.get(value)
        fields.append((at, member.name if member is not None else str(value)))

    return visit


def _visit_bool(value: Any, at: str, fields: list[Field], _depth: int) -> None:
    fields.append((at, "true" if value else "false"))


def _visit_number(value: Any, at: str, fields: list[Field], _depth: int) -> None:
    fields.append((at, str(value)))


def _visit_string(value: Any, at: str, fields: list[Field], _depth: int) -> None:
    if isinstance(value, bytes):
        fields.append((at, base64.b64encode(value).decode("ascii")))
        fields.append((at, value.decode("utf-8", "replace")))
    else:
        fields.append((at, value))


def _visit_json(value: Any, at: str, fields: list[Field], *, integers: bool) -> None:
    """``integers``: all numbers are float64; show one without a fraction as an integer."""
    if isinstance(value, dict):
        for key, item in value.items():
            _visit_json(item, f"{at}.{key}" if at else key, fields, integers=integers)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _visit_json(item, f"{at}.{index}", fields, integers=integers)
    elif isinstance(value, bool):
        fields.append((at, "true" if value else "false"))
    elif value is None:
        fields.append((at, "null"))
    else:
        fields.append(
            (at, str(int(value) if integers and isinstance(value, float) and value.is_integer() else value))
        )


def _wire_fields(data: bytes, budget: Budget) -> list[WireField]:
    try:
        return parse_fields(data, budget, budget.steps)[0]
    except (WireFormatError, BudgetExceededError):
        return []


def _visit_wire_fields(
    wire_fields: list[WireField], at: str, depth: int, budget: Budget, fields: list[Field]
) -> None:
    """Bytes as text if they are text, else as base64, and as fields if they parse as a message."""
    for number, _, value in wire_fields:
        path = f"{at}.{number}" if at else str(number)
        if isinstance(value, list):  # a group
            _visit_wire_fields(value, path, depth + 1, budget, fields)
        elif isinstance(value, int):
            fields.append((path, str(value)))
        elif (text := _text(value)) is not None:
            fields.append((path, text))
        else:
            fields.append((path, base64.b64encode(value).decode("ascii")))
            if depth < _MAX_DEPTH:
                _visit_wire_fields(_wire_fields(value, budget), path, depth + 1, budget, fields)


def _text(value: bytes) -> str | None:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None
