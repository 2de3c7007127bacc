"""Canonical protobuf JSON as grpcurl reads it, where it reads something else.

grpcurl's parser takes a FieldMask as the object ``{"paths": […]}`` and not as the canonical string, wants an
``@type`` in every Any, and drops the sign of a zero. Pure: JSON values in, JSON values out.
"""

import math
import re
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from loom.codec import TypeResolver

_ANY = "google.protobuf.Any"
_MASK = "google.protobuf.FieldMask"
_WELL_KNOWN = "google.protobuf."
_TIMES = frozenset({"google.protobuf.Timestamp", "google.protobuf.Duration"})
_OMITTED: Any = object()
_UPPER = re.compile(r"[A-Z]")


class Dialect:
    """Adapts JSON values; ``problems`` collects notes on what grpcurl cannot send."""

    def __init__(self, types: TypeResolver) -> None:
        self.problems: dict[str, None] = {}
        self._types = types

    def message(self, value: Any, descriptor: Descriptor) -> Any:
        """The JSON of one message."""
        adapted = self._message(value, descriptor)
        return {} if adapted is _OMITTED else adapted

    def _message(self, value: Any, descriptor: Descriptor) -> Any:
        name = descriptor.full_name
        if name == _MASK and isinstance(value, str):
            return {"paths": [_snake(path) for path in value.split(",") if path]}
        if not isinstance(value, dict):
            return value
        if name in _TIMES:
            self.problems[f"a {name} out of range is not sent: grpcurl cannot write one"] = None
            return _OMITTED
        if name == _ANY:
            return self._any(value)
        if name.startswith(_WELL_KNOWN) and descriptor.file.name.startswith("google/protobuf/"):
            return value
        fields = {field.json_name: field for field in descriptor.fields}
        adapted = {}
        for key, item in value.items():
            field = fields.get(key) or _extension(descriptor, key)
            adapted[key] = item if field is None else self._field(item, field)
        # grpcurl makes a nil message of a null, and fails to encode it.
        return {key: item for key, item in adapted.items() if item is not _OMITTED}

    def _any(self, value: dict[str, Any]) -> Any:
        url = value.get("@type")
        if not url:
            self.problems["an empty google.protobuf.Any is not sent: grpcurl cannot write one"] = None
            return _OMITTED
        if "@value" in value:
            self.problems[f"an Any of {url} is not sent: its type is unknown"] = None
            return _OMITTED
        try:
            descriptor = self._types.FindMessageTypeByName(str(url).rpartition("/")[2])
        except KeyError:
            return value
        if descriptor.full_name == _MASK:
            return {"@type": url, **self.message(value.get("value", ""), descriptor)}
        if "value" in value and descriptor.full_name in {_ANY, *_TIMES}:
            inner = self._message(value["value"], descriptor)
            return inner if inner is _OMITTED else {"@type": url, "value": inner}
        rest = {key: item for key, item in value.items() if key != "@type"}
        return {"@type": url, **self.message(rest, descriptor)}

    def _field(self, value: Any, field: FieldDescriptor) -> Any:
        if isinstance(value, float) and value == 0 and math.copysign(1, value) < 0:
            self.problems["a float of -0.0 is not sent: grpcurl takes it for unset"] = None
        inner = field.message_type
        if inner is None:
            return value
        if inner.GetOptions().map_entry:
            entry = inner.fields_by_name["value"]
            adapted = {key: self._field(item, entry) for key, item in value.items()}
            return {key: item for key, item in adapted.items() if item is not _OMITTED}
        if isinstance(value, list):
            items = [self._message(item, inner) for item in value]
            return [item for item in items if item is not _OMITTED]
        return self._message(value, inner)


def _extension(descriptor: Descriptor, key: str) -> FieldDescriptor | None:
    """The extension that a JSON key in brackets names."""
    if not (descriptor.is_extendable and key.startswith("[") and key.endswith("]")):
        return None
    try:
        return descriptor.file.pool.FindExtensionByName(key[1:-1])
    except KeyError:
        return None


def _snake(path: str) -> str:
    return _UPPER.sub(lambda match: "_" + match[0].lower(), path)
