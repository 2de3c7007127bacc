"""Hints for people whose JSON does not fit a field: what the field takes."""

import difflib
import json
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, OneofDescriptor

from .compiled_readers import is_map

_MAX_NAMES = 8
_MAX_VALUE_CHARACTERS = 40
_INTEGER_RANGES = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SINT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SFIXED32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SINT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SFIXED64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_FIXED64: (0, 2**64 - 1),
}
_SCALARS = {
    FieldDescriptor.TYPE_STRING: "a string",
    FieldDescriptor.TYPE_BYTES: "a string of base64",
    FieldDescriptor.TYPE_BOOL: "true or false",
    FieldDescriptor.TYPE_DOUBLE: 'a number, "NaN", "Infinity" or "-Infinity"',
    FieldDescriptor.TYPE_FLOAT: 'a number in the range of a float, "NaN", "Infinity" or "-Infinity"',
}
_WELL_KNOWN = {
    "google.protobuf.BytesValue": _SCALARS[FieldDescriptor.TYPE_BYTES],
    "google.protobuf.Timestamp": 'a time in UTC or with an offset, as in "2026-01-31T12:00:00.5Z"',
    "google.protobuf.Duration": 'a length of time in seconds, as in "1.5s"',
    "google.protobuf.FieldMask": 'names of fields with commas between them, as in "user.displayName,photo"',
}


def value_hint(field: FieldDescriptor, value: Any, *, complete: bool) -> str:
    """What a field takes instead of ``value``; "" if the value is of the right kind and the error is within it.

    ``whole``: the value is that of an entire repeated field or map, not one element of it.
    """
    if complete and is_map(field):
        return "" if isinstance(value, dict) else _instead("an object", value)
    if complete and field.is_repeated:
        return "" if isinstance(value, list) else _instead("an array", value)
    if is_map(field):
        field = field.message_type.fields_by_name["value"]  # type: ignore[union-attr]
    if field.message_type is not None:
        return message_hint(field.message_type, value)
    if field.enum_type is not None:
        return _instead(_enum(field.enum_type), value)
    if field.type in _INTEGER_RANGES:
        low, high = _INTEGER_RANGES[field.type]
        return _instead(f"a whole number from {low} to {high}", value)
    return _instead(_SCALARS[field.type], value)


def message_hint(descriptor: Descriptor, value: Any) -> str:
    """What a message takes instead of ``value``; "" if the value is of the right kind and the error is within it."""
    description = _WELL_KNOWN.get(descriptor.full_name)
    if description is not None:
        return _instead(description, value)
    if descriptor.full_name.startswith("google.protobuf.") or isinstance(value, dict):
        return ""
    return _instead(f"an object, for a {descriptor.full_name}", value)


def base64_hint(value: Any) -> str:
    """The hint for a bytes field whose value is not base64."""
    return _instead(_SCALARS[FieldDescriptor.TYPE_BYTES], value)


def oneof_hint(oneof: OneofDescriptor, first: str) -> str:
    """The hint for a second field of a oneof; ``first`` is the other one."""
    return f"only one field of the oneof {oneof.name} can be set, and {first} is already"


def unknown_field_hint(name: str, descriptor: Descriptor) -> str:
    """The hint for a field that the message type lacks; it suggests the most similar name."""
    names = {_normalise(field.json_name): field.json_name for field in descriptor.fields}
    near = difflib.get_close_matches(_normalise(name), names, n=1)
    if near:
        hint = f"; did you mean {names[near[0]]}?"
    elif names:
        hint = f"; it has {_join_names(list(names.values()))}"
    else:
        hint = ""
    return f"{descriptor.full_name} has no field of this name{hint}"


def _normalise(name: str) -> str:
    return name.replace("_", "").lower()


def _enum(kind: EnumDescriptor) -> str:
    return f"one of {_join_names([value.name for value in kind.values])}"


def _join_names(names: list[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more


def _instead(description: str, value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    shown = text if len(text) <= _MAX_VALUE_CHARACTERS else text[: _MAX_VALUE_CHARACTERS - 1] + "…"
    return f"this should be {description}, not {shown}"
