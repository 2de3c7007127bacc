"""Encode JSON to protobuf messages by their descriptors, and name the field that does not fit.

More is accepted than the canonical mapping: the forms in which Loom shows what has no canonical JSON. These are an Any
as ``{"@type": url, "@value": base64}``, a Timestamp, Duration or FieldMask as an object of its fields, and the largest
float in its shortest decimal, which is just above it.
"""

import re
import struct
from collections.abc import Callable
from typing import Any

from google.protobuf import json_format, message_factory, wrappers_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from .compiled_readers import is_map, is_synthetic
from .field_hints import base64_hint, message_hint, oneof_hint, unknown_field_hint, value_hint
from .json_printer import ANY, LIST, STRUCT, VALUE, WELL_KNOWN
from .scalars import parse_base64
from .type_resolver import TypeResolver, type_name

MAX_DEPTH = 100
"""How many levels a message may be nested: protobuf parses no more."""

_FIELD_FORMS = frozenset({f"google.protobuf.{name}" for name in ("Timestamp", "Duration", "FieldMask")})
_JSON_TYPES = frozenset({STRUCT, LIST, VALUE})
_EXTENSION_KEY = re.compile(r"\[[\w.]+\]")
_NOISE = re.compile(
    r"^(Failed to parse \S+ field: )+| ?Available Fields.*$| at \"?[A-Z]\w*(\.[^\s\"]*)?\"?\.*$"
)
_ERRORS = (json_format.Error, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What ``json_format`` raises for JSON that does not fit, or for types that it does not support."""

_WRAPPERS: dict[int, Callable[[], Any]] = {
    FieldDescriptor.TYPE_BOOL: wrappers_pb2.BoolValue,
    FieldDescriptor.TYPE_BYTES: wrappers_pb2.BytesValue,
    FieldDescriptor.TYPE_DOUBLE: wrappers_pb2.DoubleValue,
    FieldDescriptor.TYPE_FLOAT: wrappers_pb2.FloatValue,
    FieldDescriptor.TYPE_INT32: wrappers_pb2.Int32Value,
    FieldDescriptor.TYPE_INT64: wrappers_pb2.Int64Value,
    FieldDescriptor.TYPE_STRING: wrappers_pb2.StringValue,
    FieldDescriptor.TYPE_UINT32: wrappers_pb2.UInt32Value,
    FieldDescriptor.TYPE_UINT64: wrappers_pb2.UInt64Value,
}
_FLOAT32 = struct.Struct("<f")
_MAX_FLOAT32 = float.fromhex("0x1.fffffep+127")


class EncodeError(ValueError):
    """The JSON does not fit the type; ``path`` is that of the field, as in ``items[2].price``."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.text = message
        self.path = path

    def at(self, path: str) -> "EncodeError":
        """The same error at another path."""
        return EncodeError(self.text, path)


class JsonEncoder:
    """Encodes JSON values; ``resolver`` knows the types of Anys."""

    def __init__(self, resolver: TypeResolver) -> None:
        self._resolver = resolver
        self._names: dict[Descriptor, dict[str, FieldDescriptor | None]] = {}

    def message(self, descriptor: Descriptor, value: Any, path: str = "", depth: int = 0) -> Message:
        """The message that a value denotes; raises :class:`EncodeError`."""
        message: Message = message_factory.GetMessageClass(descriptor)()
        self._fill(message, value, path, depth)
        return message

    def field(self, field: FieldDescriptor, value: Any, path: str, depth: int) -> bytes:
        """The wire format of one field; b"" if its value counts as not set."""
        descriptor: Any = field.containing_type
        message = message_factory.GetMessageClass(descriptor)()
        self._set(message, field, value, path, depth)
        return bytes(type(message).SerializePartialToString(message))

    def fields(
        self, descriptor: Descriptor, value: dict[str, Any], path: str, *, is_shown: bool = False
    ) -> dict[int, tuple[FieldDescriptor, Any, str]]:
        """The fields that an object sets, by number, with their values and paths; raises :class:`EncodeError`.

        With ``is_shown`` the object is the JSON of a message, in which every name is that of a field that is set.
        """
        named: dict[int, tuple[FieldDescriptor, Any, str]] = {}
        names: dict[int, str] = {}
        oneofs: dict[str, str] = {}
        for name, item in value.items():
            step = _join(path, name)
            field = self._find_field(descriptor, name)
            if field is None:
                raise EncodeError(unknown_field_hint(name, descriptor), step)
            if field.number in names:
                raise EncodeError(f"this is the same field as {names[field.number]}", step)
            names[field.number] = name
            if not is_shown and _is_absent(field, item):
                continue
            oneof = field.containing_oneof
            if oneof is not None and not is_synthetic(oneof):
                first = oneofs.setdefault(oneof.name, name)
                if first != name:
                    raise EncodeError(oneof_hint(oneof, first), step)
            named[field.number] = field, item, step
        return named

    def map_key(self, field: FieldDescriptor, key: str, path: str) -> Any:
        """The key of a map that a JSON key denotes; raises :class:`EncodeError`."""
        entry: Any = field.message_type
        key_field: FieldDescriptor = entry.fields_by_name["key"]
        if key_field.type == FieldDescriptor.TYPE_STRING:
            return key
        if key_field.type == FieldDescriptor.TYPE_BOOL:
            if key in {"true", "false"}:
                return key == "true"
        else:
            try:
                message_factory.GetMessageClass(entry)(key=int(key))
            except ValueError:
                pass
            else:
                return int(key)
        raise EncodeError(f"as a key, {value_hint(key_field, key, complete=False)}", path)

    def find_type(self, type_url: str) -> Descriptor | None:
        """The type that an Any names; None if it is unknown."""
        try:
            return self._resolver.FindMessageTypeByName(type_name(type_url))
        except KeyError:
            return None

    def _find_field(self, descriptor: Descriptor, name: str) -> FieldDescriptor | None:
        names = self._names.get(descriptor)
        if names is None:
            names = self._names[descriptor] = dict(descriptor.fields_by_name.items())
            names.update({field.json_name: field for field in descriptor.fields})
        field = names.get(name)
        if field is None and descriptor.is_extendable and _EXTENSION_KEY.fullmatch(name):
            try:
                field = descriptor.file.pool.FindExtensionByName(name[1:-1])
            except KeyError:
                return None
            containing: Any = field.containing_type
            return field if containing.full_name == descriptor.full_name else None
        return field

    def _fill(self, message: Any, value: Any, path: str, depth: int) -> None:
        descriptor: Any = type(message).DESCRIPTOR
        name = descriptor.full_name
        if depth >= MAX_DEPTH:
            raise EncodeError("nested too deeply", path)
        if name == ANY:
            self._fill_any(message, value, path, depth)
        elif name in _JSON_TYPES:
            self._parse(message, value, path, depth)
        elif name in WELL_KNOWN and name not in _FIELD_FORMS:
            field = descriptor.fields_by_name["value"]
            if value is None:
                raise EncodeError(value_hint(field, value, complete=False), path)
            self._set(message, field, value, path, depth)
        elif isinstance(value, dict):
            scalars = []
            for field, item, step in self.fields(descriptor, value, path).values():
                if _has_messages(field):
                    self._set(message, field, item, step, depth)
                else:
                    scalars.append((field, item, step))
            self._set_scalars(message, scalars)
        elif name in _FIELD_FORMS and isinstance(value, str):
            self._parse(message, value, path, depth)
        else:
            hint = message_hint(descriptor, value) if path else ""
            raise EncodeError(hint or f"a {name} is an object in JSON, not {_json_type(value)}", path)

    def _fill_any(self, message: Any, value: Any, path: str, depth: int) -> None:
        if not isinstance(value, dict):
            raise EncodeError(f"a {ANY} is an object in JSON, not {_json_type(value)}", path)
        if not value:
            return
        if "@type" not in value:
            raise EncodeError("@type is missing", path)
        url = value["@type"]
        if not isinstance(url, str):
            raise EncodeError("this should be the URL of a type", _join(path, "@type"))
        inner = self.find_type(url)
        if is_opaque(value, inner):
            message.value = decode_base64(value["@value"], _join(path, "@value"))
        elif inner is None:
            raise EncodeError(f"no source knows {type_name(url)}, the type of this Any", path)
        else:
            content = self.message(inner, any_content(value, inner, path), path, depth + 1)
            message.value = type(content).SerializePartialToString(content)
        message.type_url = url

    def _set(self, message: Any, field: FieldDescriptor, value: Any, path: str, depth: int) -> None:
        """Set one field to its JSON value."""
        if not _has_messages(field):
            self._set_scalars(message, [(field, value, path)])
        elif is_map(field):
            if not isinstance(value, dict):
                raise EncodeError(value_hint(field, value, complete=True), path)
            target = getattr(message, field.name)
            for key, item in value.items():
                step = key_path(path, key)
                self._fill(target[self.map_key(field, key, step)], item, step, depth + 1)
        elif field.is_repeated:
            if not isinstance(value, list):
                raise EncodeError(value_hint(field, value, complete=True), path)
            target = _get(message, field)
            for index, item in enumerate(value):
                self._fill(target.add(), item, f"{path}[{index}]", depth + 1)
        else:
            target = _get(message, field)
            type(target).SetInParent(target)
            self._fill(target, value, path, depth + 1)

    def _set_scalars(self, message: Any, fields: list[tuple[FieldDescriptor, Any, str]]) -> None:
        """Set fields without messages; of those that do not fit, the first is named."""
        if type(message).DESCRIPTOR.full_name in WELL_KNOWN:  # whose JSON is not that of their fields
            for field, value, path in fields:
                _set_well_known(message, field, value, path)
            return
        adapted = {}
        for field, value, path in fields:
            key = f"[{field.full_name}]" if field.is_extension else field.json_name
            adapted[key] = _adapt(field, value, path)
        try:
            json_format.ParseDict(adapted, message)
        except _ERRORS as error:
            for field, value, path in fields:
                _raise_misfit(type(message), field, value, path)
            raise EncodeError(_error_text(error), fields[0][2]) from error

    @staticmethod
    def _parse(message: Message, value: Any, path: str, depth: int) -> None:
        """Parse the JSON form of a well-known type."""
        descriptor: Any = type(message).DESCRIPTOR
        try:
            json_format.ParseDict(value, message, max_recursion_depth=MAX_DEPTH - depth)
        except _ERRORS as error:
            if isinstance(error, RecursionError) or "too deep" in str(error):
                raise EncodeError("nested too deeply", path) from error
            raise EncodeError(message_hint(descriptor, value) or _error_text(error), path) from error


def is_opaque(value: dict[str, Any], inner: Descriptor | None) -> bool:
    """Whether the JSON of an Any gives its bytes; ``inner`` is its type, if that is known."""
    return value.keys() == {"@type", "@value"} and (
        inner is None or not any(field.json_name == "@value" for field in inner.fields)
    )


def any_content(value: dict[str, Any], inner: Descriptor, path: str) -> Any:
    """The JSON of the message in an Any, of type ``inner``; raises :class:`EncodeError`."""
    content = {name: item for name, item in value.items() if name != "@type"}
    if inner.full_name not in WELL_KNOWN and inner.full_name != ANY:
        return content
    if "value" not in content:
        raise EncodeError(f"'value' is missing, the JSON of the {inner.full_name}", path)
    surplus = next((name for name in content if name != "value"), None)
    if surplus is not None:
        raise EncodeError(f"beside @type, an Any of {inner.full_name} has value only", _join(path, surplus))
    return content["value"]


def key_path(path: str, key: str) -> str:
    """The path of an entry of a map."""
    return f"{path}[{key!r}]"


def decode_base64(value: Any, path: str) -> bytes:
    """The bytes of base64 in either alphabet, padded or not; raises :class:`EncodeError`."""
    try:
        return parse_base64(value)
    except ValueError:
        raise EncodeError(base64_hint(value), path) from None


def _join(path: str, step: str) -> str:
    return f"{path}.{step}" if path else step


def _has_messages(field: FieldDescriptor) -> bool:
    if is_map(field):
        field = field.message_type.fields_by_name["value"]  # type: ignore[union-attr]
    return field.message_type is not None


def _is_absent(field: FieldDescriptor, value: Any) -> bool:
    """Whether a value means that its field is not set: null, unless the field has a use for it."""
    if value is not None or field.is_repeated:
        return value is None
    if field.message_type is not None:
        return bool(field.message_type.full_name != VALUE)
    return field.enum_type is None or field.enum_type.full_name != "google.protobuf.NullValue"


def _adapt(field: FieldDescriptor, value: Any, path: str) -> Any:
    """A JSON value without messages as ``json_format`` takes it; raises :class:`EncodeError` if a part cannot fit."""
    convert: Callable[[Any, str], Any]
    single = field.message_type.fields_by_name["value"] if is_map(field) else field  # type: ignore[union-attr]
    if single.type == FieldDescriptor.TYPE_BYTES:
        convert = _check_base64
    elif single.type == FieldDescriptor.TYPE_FLOAT:
        convert = _round_float32
    else:
        return value
    if is_map(field) and isinstance(value, dict):
        return {key: convert(item, key_path(path, key)) for key, item in value.items()}
    if field.is_repeated and isinstance(value, list):
        return [convert(item, f"{path}[{index}]") for index, item in enumerate(value)]
    return value if field.is_repeated else convert(value, path)


def _set_well_known(message: Any, field: FieldDescriptor, value: Any, path: str) -> None:
    """Set a scalar field of a Timestamp, Duration, FieldMask or wrapper; raises :class:`EncodeError`."""
    if field.is_repeated:
        if not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            raise EncodeError("this should be an array of strings", path)
        getattr(message, field.name).extend(value)
        return
    wrapper = _WRAPPERS[field.type]()
    try:
        json_format.ParseDict(_adapt(field, value, path), wrapper)
    except _ERRORS as error:
        raise EncodeError(value_hint(field, value, complete=True), path) from error
    setattr(message, field.name, wrapper.value)


def _check_base64(value: Any, path: str) -> Any:
    decode_base64(value, path)
    return value


def _round_float32(value: Any, _path: str) -> Any:
    """The largest float for a decimal that is rounded to it; any other value as it is."""
    try:
        number = value if isinstance(value, int | float) else float(value)
        if abs(number) > _MAX_FLOAT32:
            return _FLOAT32.unpack(_FLOAT32.pack(number))[0]
    except (ValueError, TypeError, OverflowError, struct.error):
        pass
    return value


def _raise_misfit(message_class: type[Message], field: FieldDescriptor, value: Any, path: str) -> None:
    """Raise :class:`EncodeError` if a field without messages does not fit; nothing if it does."""
    key = f"[{field.full_name}]" if field.is_extension else field.json_name
    parts: list[tuple[str, Any, Any]] = [(path, value, value)]
    if is_map(field) and isinstance(value, dict):
        parts = [(key_path(path, name), item, {name: item}) for name, item in value.items()]
    elif field.is_repeated and isinstance(value, list):
        parts = [(f"{path}[{index}]", item, [item]) for index, item in enumerate(value)]
    for step, item, alone in parts:
        try:
            json_format.ParseDict({key: _adapt(field, alone, path)}, message_class())
        except _ERRORS as error:
            hint = value_hint(field, item, complete=item is alone)
            raise EncodeError(hint or _error_text(error), step) from error


def _error_text(error: Exception) -> str:
    text = " ".join(str(error).split())
    return _NOISE.sub("", _NOISE.sub("", text)).rstrip(".") or type(error).__name__


def _get(message: Any, field: FieldDescriptor) -> Any:
    return message.Extensions[field] if field.is_extension else getattr(message, field.name)


def _json_type(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)
