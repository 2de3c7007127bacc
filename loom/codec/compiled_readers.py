"""Read the fields of messages into JSON objects, with one function per message type.

The first messages of a type are read field by field, which needs no preparation. For a type that keeps coming, as the
elements of a long list do, straight-line code that reads by attribute is then generated and compiled; it takes about a
fifth of the time.
"""

import math
from binascii import b2a_base64
from collections.abc import Callable
from keyword import iskeyword
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.message import Message

from .scalars import SCALARS, Converter, Singles, double, doubles, enum_converter, enum_names

COMPILE_AFTER = 128  # messages; to read as many field by field takes as long as to compile
_MAX_COMPILED_FIELDS = 40  # beyond it, ListFields is cheaper than reading every field
_RESERVED = frozenset(dir(Message))
_FLOATS = frozenset({FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE})
_SCOPE = {
    "base64": b2a_base64,
    "copysign": math.copysign,
    "double": double,
    "doubles": doubles,
}
_SOURCES = {
    FieldDescriptor.TYPE_STRING: "({0} if {0}.__class__ is str else text({0}))",
    FieldDescriptor.TYPE_BYTES: "base64({0}, newline=False).decode()",
    FieldDescriptor.TYPE_DOUBLE: "double({0})",
    FieldDescriptor.TYPE_FLOAT: "singles[{0}]",
} | {kind: "f'{{{0}}}'" for kind, convert in SCALARS.items() if convert is str}


class CompiledReaders:
    """A cache of the function that reads each message type.

    ``special`` returns the converter of a type with a JSON form of its own, None for any other; ``text`` converts the
    value of a string field, which is bytes where the syntax does not enforce UTF-8 and the value is not UTF-8.
    ``compile_after`` messages of a type its reader is compiled.
    """

    def __init__(
        self,
        special: Callable[[Descriptor], Converter | None],
        text: Converter,
        compile_after: int = COMPILE_AFTER,
    ) -> None:
        self._special = special
        self._text = text
        self._compile_after = compile_after
        self._names: dict[Any, str] = {}
        self._scope: dict[str, Any] = _SCOPE | {"singles": Singles(), "text": text}

    def read(self, message: Message) -> Any:
        """The JSON value of a message."""
        return self._scope[self._name(type(message).DESCRIPTOR)](message)

    def reader(self, descriptor: Descriptor) -> Converter:
        """The reader of a type, by way of its name: which function that is changes when it is compiled."""
        name, scope = self._name(descriptor), self._scope
        return lambda message: scope[name](message)  # noqa: PLW0108 (looked up at each call)

    def field_by_field(self) -> Converter:
        """A reader that lists the fields that are set, extensions included."""
        converters: dict[int, tuple[str, Converter | None]] = {}

        def read(message: Message) -> dict[str, Any]:
            json_object = {}
            for field, value in set_fields(message):
                entry = converters.get(field.number)
                if entry is None:
                    entry = converters[field.number] = (json_key(field), self.converter(field))
                key, convert = entry
                json_object[key] = value if convert is None else convert(value)
            return json_object

        return read

    def compile(self, descriptor: Descriptor) -> Converter:
        """A compiled reader that gets every field by attribute; only for types that are :func:`_is_compilable`."""
        source = "\n ".join(["def read(m):", "d = {}", *self._body(descriptor), "return d"])
        scope: dict[str, Any] = {}
        exec(source, self._scope, scope)  # noqa: S102 (see _is_compilable; all other names are quoted)
        reader: Converter = scope["read"]
        return reader

    def converter(self, field: FieldDescriptor) -> Converter | None:
        """The converter of a field's value; None if the value is JSON as it is."""
        if is_map(field):
            return self._map(field)
        convert = self._single(field)
        if not field.is_repeated:
            return convert
        if convert is None:
            return list
        return doubles if convert is double else lambda values: [convert(value) for value in values]

    def _name(self, descriptor: Any) -> str:
        name = self._names.get(descriptor)
        if name is None:
            name = self._names[descriptor] = f"read_{len(self._names)}"
            self._scope[name] = self._special(descriptor) or self._counting_reader(descriptor, name)
        return name

    def _counting_reader(self, descriptor: Descriptor, name: str) -> Converter:
        read = self.field_by_field()
        if not _is_compilable(descriptor):
            return read
        count = 0

        def read_and_count(message: Message) -> Any:
            nonlocal count
            count += 1
            if count == self._compile_after:
                self._scope[name] = self.compile(descriptor)
            return read(message)

        return read_and_count

    def _map(self, field: FieldDescriptor) -> Converter:
        entry = field.message_type.fields_by_name  # type: ignore[union-attr]
        key = key_text if entry["key"].type == FieldDescriptor.TYPE_BOOL else str
        convert = self._single(entry["value"])
        # Sorted, as in the tree: protobuf's own order differs from one process to the next.
        if convert is None:
            return lambda values: {key(name): values[name] for name in sorted(values)}
        return lambda values: {key(name): convert(values[name]) for name in sorted(values)}

    def _single(self, field: FieldDescriptor) -> Converter | None:
        if field.message_type is not None:
            return self.reader(field.message_type)
        if field.enum_type is not None:
            return enum_converter(field.enum_type)
        if field.type == FieldDescriptor.TYPE_STRING:
            return self._text
        return SCALARS.get(field.type)

    def _body(self, descriptor: Descriptor) -> list[str]:
        """The statements that copy every set field of the message ``m`` to the object ``d``, in order of number."""
        oneofs = {
            oneof: f"w{index}" for index, oneof in enumerate(descriptor.oneofs) if not is_synthetic(oneof)
        }
        lines = [f"{name} = m.WhichOneof({oneof.name!r})" for oneof, name in oneofs.items()]
        for field in sorted(descriptor.fields, key=lambda field: field.number):
            get = f"getattr(m, {field.name!r})" if iskeyword(field.name) else f"m.{field.name}"
            put = f"d[{field.json_name!r}] ="
            if field.containing_oneof in oneofs:
                lines.append(f"if {oneofs[field.containing_oneof]} == {field.name!r}:")
                lines.append(f"  v = {get}; {put} {self._source(field)}")
            elif field.has_presence:
                lines.append(f"if m.HasField({field.name!r}):")
                lines.append(f"  v = {get}; {put} {self._source(field)}")
            else:
                lines.append(f"v = {get}")
                lines.append(f"if v: {put} {self._source(field)}")
                if field.type in _FLOATS and not field.is_repeated:
                    lines.append(f"elif copysign(1, v) < 0: {put} v")  # -0.0 counts as set
        return lines

    def _source(self, field: FieldDescriptor) -> str:
        """The expression that converts the field's value ``v``."""
        if is_map(field):
            entry = field.message_type.fields_by_name  # type: ignore[union-attr]
            is_bool = entry["key"].type == FieldDescriptor.TYPE_BOOL
            key = "'true' if k else 'false'" if is_bool else "f'{k}'"
            return f"{{{key}: {self._source_of_single(entry['value'], 'v[k]')} for k in sorted(v)}}"
        single = self._source_of_single(field, "v")
        if not field.is_repeated:
            return single
        if field.type == FieldDescriptor.TYPE_DOUBLE:
            return "doubles(v)"
        return "list(v)" if single == "v" else f"[{single} for v in v]"

    def _source_of_single(self, field: FieldDescriptor, value: str) -> str:
        if field.message_type is not None:
            return f"{self._name(field.message_type)}({value})"
        if field.enum_type is not None:
            names = enum_names(field.enum_type)
            if names is None:
                return "None"
            name = self._names.get(field.enum_type)
            if name is None:
                name = self._names[field.enum_type] = f"name_{len(self._names)}"
                self._scope[name] = names.get
            return f"{name}({value}, {value})"
        return _SOURCES.get(field.type, "{0}").format(value)


def set_fields(message: Message) -> list[tuple[FieldDescriptor, Any]]:
    """The fields that are set, with their values, even if a field's own name is ListFields."""
    return type(message).ListFields(message)  # type: ignore[return-value]


def is_map(field: FieldDescriptor) -> bool:
    """Whether a field is a map (on the wire, a repeated message of key and value)."""
    return bool(
        field.message_type is not None and field.is_repeated and field.message_type.GetOptions().map_entry
    )


def is_synthetic(oneof: OneofDescriptor) -> bool:
    """Whether a oneof only represents a proto3 ``optional`` field."""
    return len(oneof.fields) == 1 and oneof.name.startswith("_")


def json_key(field: FieldDescriptor) -> str:
    """The key of a field in JSON."""
    return f"[{field.full_name}]" if field.is_extension else field.json_name


def _is_compilable(descriptor: Descriptor) -> bool:
    """Whether a type's fields can be read by attribute: no extensions, not too many, names that are safe in code.

    Descriptors may come from an untrusted server. protobuf rejects names that are not identifiers; generated code does
    not rely on that.
    """
    if descriptor.is_extendable or len(descriptor.fields) > _MAX_COMPILED_FIELDS:
        return False
    return all(field.name.isidentifier() and field.name not in _RESERVED for field in descriptor.fields)


def key_text(key: Any) -> str:
    """A map key as a JSON key; bytes, which are text that is not valid UTF-8, with replacement characters."""
    if isinstance(key, bytes):
        return key.decode("utf-8", "replace")
    return str(key).lower() if isinstance(key, bool) else str(key)
