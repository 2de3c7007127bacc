"""What a field takes in JSON, in words: for whoever wrote something else there."""

import difflib
import json
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, OneofDescriptor

from .compiled_readers import is_map

_MOST_NAMES = 8
_SHOWN = 40
_WHOLE = {
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


def expected(field: FieldDescriptor, value: Any, *, whole: bool) -> str:
    """What the field should hold instead of ``value``; "" where it is of the right kind and wrong within.

    ``whole``: the value is all of a repeated field or map, not one item of it.
    """
    if whole and is_map(field):
        return "" if isinstance(value, dict) else _instead("an object", value)
    if whole and field.is_repeated:
        return "" if isinstance(value, list) else _instead("an array", value)
    if is_map(field):
        field = field.message_type.fields_by_name["value"]  # type: ignore[union-attr]
    if field.message_type is not None:
        return _message(field.message_type, value)
    if field.enum_type is not None:
        return _instead(_enum(field.enum_type), value)
    if field.type in _WHOLE:
        low, high = _WHOLE[field.type]
        return _instead(f"a whole number from {low} to {high}", value)
    return _instead(_SCALARS[field.type], value)


def not_base64(value: Any) -> str:
    """That this is not what a field of bytes takes."""
    return _instead(_SCALARS[FieldDescriptor.TYPE_BYTES], value)


def two_of(oneof: OneofDescriptor, first: str) -> str:
    """That a member of a oneof is there beside another."""
    return f"only one field of the oneof {oneof.name} can be set, and {first} is already"


def no_such_field(name: str, descriptor: Descriptor) -> str:
    """That a message has no field of this name, and which one may have been meant."""
    names = {_plain(field.json_name): field.json_name for field in descriptor.fields}
    near = difflib.get_close_matches(_plain(name), names, n=1)
    if near:
        hint = f"; is {names[near[0]]} meant?"
    elif names:
        hint = f"; it has {_listed(list(names.values()))}"
    else:
        hint = ""
    return f"{descriptor.full_name} has no field of this name{hint}"


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _message(descriptor: Descriptor, value: Any) -> str:
    wanted = _WELL_KNOWN.get(descriptor.full_name)
    if wanted is not None:
        return _instead(wanted, value)
    if descriptor.full_name.startswith("google.protobuf.") or isinstance(value, dict):
        return ""
    return _instead(f"an object, as a {descriptor.full_name} is one", value)


def _enum(kind: EnumDescriptor) -> str:
    return f"one of {_listed([value.name for value in kind.values])}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _instead(wanted: str, value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return f"this should be {wanted}, not {shown}"
