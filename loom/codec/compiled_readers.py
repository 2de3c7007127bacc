"""Reads the fields of a message into a JSON object: one function for each message type.

A type's first messages are read field by field, which takes no preparation. Of a type that goes on coming, as the
elements of a long list do, the function is then written out and compiled: straight-line code that reads by attribute
and takes about a fifth of the time.
"""

import math
from binascii import b2a_base64
from collections.abc import Callable
from keyword import iskeyword
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.message import Message

from .scalars import SCALARS, Convert, Singles, double, doubles, enum, enum_names

WARM = 128  # messages of a type; reading them field by field takes as long as compiling does
_MOST_FIELDS = 40  # past it, asking which fields are set is cheaper than reading all
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


class Readers:
    """Functions by message type.

    ``special`` gives that of a type whose JSON is not that of its fields, or None; ``text`` makes text of a string
    field's value, which is bytes where UTF-8 is not enforced and these are none.
    """

    def __init__(self, special: Callable[[Descriptor], Convert | None], text: Convert) -> None:
        self._special = special
        self._text = text
        self._names: dict[Any, str] = {}
        self._scope: dict[str, Any] = _SCOPE | {"singles": Singles(), "text": text}

    def read(self, message: Message) -> Any:
        """The JSON value of a message."""
        return self._scope[self._name(type(message).DESCRIPTOR)](message)

    def of(self, descriptor: Descriptor) -> Convert:
        """What reads a message of this type, now and when it is compiled."""
        name, scope = self._name(descriptor), self._scope
        return lambda message: scope[name](message)  # noqa: PLW0108 (which function that is changes)

    def listed(self) -> Convert:
        """Asks which fields are set, extensions too, and reads these."""
        rows: dict[int, tuple[str, Convert | None]] = {}

        def listed(message: Message) -> dict[str, Any]:
            made = {}
            for field, value in set_fields(message):
                row = rows.get(field.number)
                if row is None:
                    row = rows[field.number] = (key_of(field), self.convert(field))
                name, convert = row
                made[name] = value if convert is None else convert(value)
            return made

        return listed

    def compiled(self, descriptor: Descriptor) -> Convert:
        """Reads by attribute all fields that the type has; not for those that :func:`_is_plain` refuses."""
        source = "\n ".join(["def read(m):", "d = {}", *self._body(descriptor), "return d"])
        scope: dict[str, Any] = {}
        exec(source, self._scope, scope)  # noqa: S102 (see _is_plain; all other names are quoted)
        made: Convert = scope["read"]
        return made

    def convert(self, field: FieldDescriptor) -> Convert | None:
        """How the value of a field that is set converts; None if it is JSON already."""
        if is_map(field):
            return self._map(field)
        one = self._single(field)
        if not field.is_repeated:
            return one
        if one is None:
            return list
        return doubles if one is double else lambda values: [one(value) for value in values]

    def _name(self, descriptor: Any) -> str:
        name = self._names.get(descriptor)
        if name is None:
            name = self._names[descriptor] = f"read_{len(self._names)}"
            self._scope[name] = self._special(descriptor) or self._cold(descriptor, name)
        return name

    def _cold(self, descriptor: Descriptor, name: str) -> Convert:
        listed = self.listed()
        if not _is_plain(descriptor):
            return listed
        seen = 0

        def cold(message: Message) -> Any:
            nonlocal seen
            seen += 1
            if seen == WARM:
                self._scope[name] = self.compiled(descriptor)
            return listed(message)

        return cold

    def _map(self, field: FieldDescriptor) -> Convert:
        entry = field.message_type.fields_by_name  # type: ignore[union-attr]
        key = key_text if entry["key"].type == FieldDescriptor.TYPE_BOOL else str
        one = self._single(entry["value"])
        # Sorted, as in the tree: protobuf's own order differs from one process to the next.
        if one is None:
            return lambda values: {key(name): values[name] for name in sorted(values)}
        return lambda values: {key(name): one(values[name]) for name in sorted(values)}

    def _single(self, field: FieldDescriptor) -> Convert | None:
        if field.message_type is not None:
            return self.of(field.message_type)
        if field.enum_type is not None:
            return enum(field.enum_type)
        if field.type == FieldDescriptor.TYPE_STRING:
            return self._text
        return SCALARS.get(field.type)

    def _body(self, descriptor: Descriptor) -> list[str]:
        """The lines that put every field that is set into ``d``, by ``m``, in order of number."""
        oneofs = {oneof: f"w{at}" for at, oneof in enumerate(descriptor.oneofs) if not is_synthetic(oneof)}
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
        """An expression that converts ``v``."""
        if is_map(field):
            entry = field.message_type.fields_by_name  # type: ignore[union-attr]
            is_bool = entry["key"].type == FieldDescriptor.TYPE_BOOL
            key = "'true' if k else 'false'" if is_bool else "f'{k}'"
            return f"{{{key}: {self._source_of_one(entry['value'], 'v[k]')} for k in sorted(v)}}"
        one = self._source_of_one(field, "v")
        if not field.is_repeated:
            return one
        if field.type == FieldDescriptor.TYPE_DOUBLE:
            return "doubles(v)"
        return "list(v)" if one == "v" else f"[{one} for v in v]"

    def _source_of_one(self, field: FieldDescriptor, value: str) -> str:
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
    """Whether a field is a map (to the wire, a repeated message of key and value)."""
    return bool(
        field.message_type is not None and field.is_repeated and field.message_type.GetOptions().map_entry
    )


def is_synthetic(oneof: OneofDescriptor) -> bool:
    """Whether a oneof is only how proto3 says ``optional``."""
    return len(oneof.fields) == 1 and oneof.name.startswith("_")


def key_of(field: FieldDescriptor) -> str:
    """What a field is called in JSON."""
    return f"[{field.full_name}]" if field.is_extension else field.json_name


def _is_plain(descriptor: Descriptor) -> bool:
    """Whether its fields can be read by attribute: no extensions, not too many, names that are fit for code.

    Descriptors come from whoever answers reflection. protobuf refuses names that are no identifiers; code that is
    made of them does not rely on that.
    """
    if descriptor.is_extendable or len(descriptor.fields) > _MOST_FIELDS:
        return False
    return all(field.name.isidentifier() and field.name not in _RESERVED for field in descriptor.fields)


def key_text(key: Any) -> str:
    """A map's key as JSON has it."""
    return str(key).lower() if isinstance(key, bool) else str(key)
