"""Where a JSON value does not fit its message type: ``json_format`` names the outermost field only."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from .compiled_readers import is_map
from .field_hints import expected, no_such_field, not_base64, two_of
from .json_printer import ANY, WELL_KNOWN
from .type_resolver import TypeResolver, type_name

REFUSALS = (json_format.Error, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What json_format raises for JSON that does not fit, or for types that it cannot cope with."""

_BYTES_VALUE = "google.protobuf.BytesValue"
_BASE64 = re.compile(r"([A-Za-z0-9+/_-]*)(={0,2})")
_NOISE = re.compile(
    r"^(Failed to parse \S+ field: )+| ?Available Fields.*$| at \"?[A-Z]\w*(\.[^\s\"]*)?\"?\.*$"
)


def parse_into(value: Any, message: Any, types: TypeResolver, max_depth: int) -> None:
    """``json_format.ParseDict`` with types by name from anywhere; raises one of :data:`REFUSALS`.

    It skips what is no base64 in a field of bytes, and so takes something else than was written; here that is refused.
    """
    descriptor = type(message).DESCRIPTOR
    if not isinstance(value, dict) and descriptor.full_name not in WELL_KNOWN:
        raise TypeError(f"a {descriptor.full_name} is an object in JSON, not {_kind(value)}")
    pool = cast("DescriptorPool", types)  # it is asked for types by name, no more
    json_format.ParseDict(value, message, descriptor_pool=pool, max_recursion_depth=max_depth)
    _check_bytes(value, descriptor, types)


def _check_bytes(value: Any, descriptor: Descriptor, types: TypeResolver) -> None:
    """ValueError if a field of bytes, at any depth of a value that fits otherwise, does not hold base64."""
    if descriptor.full_name == _BYTES_VALUE:
        _check_base64(value)
    elif descriptor.full_name == ANY and value:
        inner = types.FindMessageTypeByName(type_name(value["@type"]))
        special = inner.full_name in WELL_KNOWN or inner.full_name == ANY
        _check_bytes(value["value"] if special else value, inner, types)
    for part in _parts(value, descriptor):
        if part.field is None or part.value is None:
            continue
        field = part.field
        if is_map(field) and not part.whole:
            field = field.message_type.fields_by_name["value"]  # type: ignore[union-attr]
        if field.type == FieldDescriptor.TYPE_BYTES:
            _check_base64(part.value)
        elif part.inner is not None:
            _check_bytes(part.value, part.inner, types)


def _check_base64(value: Any) -> None:
    """Of either alphabet, padded or not, as the JSON mapping has it."""
    match = _BASE64.fullmatch(value)
    if match is None or len(match[1]) % 4 == 1 or (match[2] and len(value) % 4):
        raise ValueError(not_base64(value))


def misfit(
    value: Any, descriptor: Descriptor, types: TypeResolver, max_depth: int, error: Exception
) -> tuple[str, str]:
    """The path of what does not fit, as in ``items[2].price``, and what is wrong with it."""
    path = told = ""
    inner: Descriptor | None = descriptor
    while inner is not None:
        found = _first(value, inner, types, max_depth)
        if found is None:
            step, told = _second_of_oneof(value, inner) or ("", told)
            path = f"{path}.{step}".strip(".")
            break
        part, error = found
        path = f"{path}.{part.step}".lstrip(".")
        told = (
            no_such_field(part.step, inner)
            if part.field is None
            else expected(part.field, part.value, whole=part.whole)
        )
        value, inner = part.value, part.inner
    if isinstance(error, RecursionError):
        return path, "nested too deeply"
    if told:
        return path, told
    if isinstance(error, KeyError):
        return path, f"{error.args[0]!r} is missing"
    text = " ".join(str(error).split())
    return path, _NOISE.sub("", _NOISE.sub("", text)).rstrip(".") or type(error).__name__


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of an object: ``step`` of the path to it, and an object with it ``alone``.

    ``field`` is None where there is no such field, ``inner`` where it is no message; ``whole``
    tells all of a repeated field from one item.
    """

    step: str
    value: Any
    alone: Any
    field: FieldDescriptor | None = None
    inner: Descriptor | None = None
    whole: bool = True


def _first(
    value: Any, descriptor: Descriptor, types: TypeResolver, max_depth: int
) -> tuple[_Part, Exception] | None:
    """The first part of an object that does not fit, and why; None if the parts fit, each by itself."""
    for part in _parts(value, descriptor):
        try:
            parse_into(part.alone, message_factory.GetMessageClass(descriptor)(), types, max_depth)
        except REFUSALS as error:
            return part, error
    return None


def _second_of_oneof(value: Any, descriptor: Descriptor) -> tuple[str, str] | None:
    """The step to a field that cannot be beside another one, and which; each fits by itself."""
    set_before: dict[str, str] = {}
    for part in _parts(value, descriptor):
        oneof = None if part.field is None else part.field.containing_oneof
        if oneof is None or part.value is None:
            continue
        first = set_before.setdefault(oneof.name, part.step)
        if first != part.step:
            return part.step, two_of(oneof, first)
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


def _kind(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)
