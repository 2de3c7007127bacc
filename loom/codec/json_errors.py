"""Parse JSON into a message and locate what does not fit; ``json_format`` names only the outermost field."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from .compiled_readers import is_map
from .field_hints import base64_hint, oneof_hint, unknown_field_hint, value_hint
from .json_printer import ANY, WELL_KNOWN
from .type_resolver import TypeResolver, type_name

PARSE_ERRORS = (json_format.Error, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What ``json_format`` raises for JSON that does not fit, or for types that it does not support."""

_BYTES_VALUE = "google.protobuf.BytesValue"
_BASE64 = re.compile(r"([A-Za-z0-9+/_-]*)(={0,2})")
_NOISE = re.compile(
    r"^(Failed to parse \S+ field: )+| ?Available Fields.*$| at \"?[A-Z]\w*(\.[^\s\"]*)?\"?\.*$"
)


def parse_into(value: Any, message: Any, resolver: TypeResolver, max_depth: int) -> None:
    """``json_format.ParseDict`` with any type resolver; raises one of :data:`PARSE_ERRORS`.

    ``json_format`` skips invalid characters in the base64 of a bytes field; here they are an error.
    """
    descriptor = type(message).DESCRIPTOR
    if not isinstance(value, dict) and descriptor.full_name not in WELL_KNOWN:
        raise TypeError(f"a {descriptor.full_name} is an object in JSON, not {_json_type(value)}")
    pool = cast("DescriptorPool", resolver)  # only FindMessageTypeByName is called
    json_format.ParseDict(value, message, descriptor_pool=pool, max_recursion_depth=max_depth)
    _check_bytes(value, descriptor, resolver)


def _check_bytes(value: Any, descriptor: Descriptor, resolver: TypeResolver) -> None:
    """Raise ValueError if a bytes field, at any depth of a value that fits otherwise, is not base64."""
    if descriptor.full_name == _BYTES_VALUE:
        _check_base64(value)
    elif descriptor.full_name == ANY and value:
        inner = resolver.FindMessageTypeByName(type_name(value["@type"]))
        special = inner.full_name in WELL_KNOWN or inner.full_name == ANY
        _check_bytes(value["value"] if special else value, inner, resolver)
    for part in _parts(value, descriptor):
        if part.field is None or part.value is None:
            continue
        field = part.field
        if is_map(field) and not part.whole:
            field = field.message_type.fields_by_name["value"]  # type: ignore[union-attr]
        if field.type == FieldDescriptor.TYPE_BYTES:
            _check_base64(part.value)
        elif part.inner is not None:
            _check_bytes(part.value, part.inner, resolver)


def _check_base64(value: Any) -> None:
    """Raise ValueError unless a value is base64: of either alphabet, padded or not, as the JSON mapping allows."""
    match = _BASE64.fullmatch(value)
    if match is None or len(match[1]) % 4 == 1 or (match[2] and len(value) % 4):
        raise ValueError(base64_hint(value))


def locate_error(
    value: Any, descriptor: Descriptor, resolver: TypeResolver, max_depth: int, error: Exception
) -> tuple[str, str]:
    """The path of the part that does not fit, as in ``items[2].price``, and what is wrong with it."""
    path = hint = ""
    inner: Descriptor | None = descriptor
    while inner is not None:
        failure = _first_failure(value, inner, resolver, max_depth)
        if failure is None:
            step, hint = _oneof_conflict(value, inner) or ("", hint)
            path = f"{path}.{step}".strip(".")
            break
        part, error = failure
        path = f"{path}.{part.step}".lstrip(".")
        hint = (
            unknown_field_hint(part.step, inner)
            if part.field is None
            else value_hint(part.field, part.value, whole=part.whole)
        )
        value, inner = part.value, part.inner
    if isinstance(error, RecursionError):
        return path, "nested too deeply"
    if hint:
        return path, hint
    if isinstance(error, KeyError):
        return path, f"{error.args[0]!r} is missing"
    text = " ".join(str(error).split())
    return path, _NOISE.sub("", _NOISE.sub("", text)).rstrip(".") or type(error).__name__


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of an object: the ``step`` of the path to it, and an object with nothing else in it (``alone``).

    ``field`` is None if the message type has no such field, ``inner`` if the field is not a message. ``whole``: the
    part is a field's entire value, not one element of it.
    """

    step: str
    value: Any
    alone: Any
    field: FieldDescriptor | None = None
    inner: Descriptor | None = None
    whole: bool = True


def _first_failure(
    value: Any, descriptor: Descriptor, resolver: TypeResolver, max_depth: int
) -> tuple[_Part, Exception] | None:
    """The first part of an object that does not parse alone, with its error; None if every part does."""
    for part in _parts(value, descriptor):
        try:
            parse_into(part.alone, message_factory.GetMessageClass(descriptor)(), resolver, max_depth)
        except PARSE_ERRORS as error:
            return part, error
    return None


def _oneof_conflict(value: Any, descriptor: Descriptor) -> tuple[str, str] | None:
    """The step to the second field of a oneof, with a hint that names the first; None if there is no such conflict."""
    set_before: dict[str, str] = {}
    for part in _parts(value, descriptor):
        oneof = None if part.field is None else part.field.containing_oneof
        if oneof is None or part.value is None:
            continue
        first = set_before.setdefault(oneof.name, part.step)
        if first != part.step:
            return part.step, oneof_hint(oneof, first)
    return None


def _parts(value: Any, descriptor: Descriptor) -> Iterator[_Part]:
    if not isinstance(value, dict) or descriptor.full_name in WELL_KNOWN or descriptor.full_name == ANY:
        return
    by_name = {field.json_name: field for field in descriptor.fields} | dict(
        descriptor.fields_by_name.items()
    )
    for name, item in value.items():
        field: FieldDescriptor | None = by_name.get(name)
        if field is None:
            yield _Part(name, item, {name: item})
        elif is_map(field) and isinstance(item, dict):
            inner = field.message_type.fields_by_name["value"].message_type  # type: ignore[union-attr]
            for key, entry in item.items():
                yield _Part(f"{name}[{key!r}]", entry, {name: {key: entry}}, field, inner, whole=False)
        elif field.is_repeated and isinstance(item, list):
            for index, entry in enumerate(item):
                yield _Part(
                    f"{name}[{index}]", entry, {name: [entry]}, field, field.message_type, whole=False
                )
        else:
            yield _Part(name, item, {name: item}, field, field.message_type)


def _json_type(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)
