"""Random schemas, and random bytes that are messages of them: well-formed, canonical or not, sound or not.

Everything follows from the :class:`random.Random` that is given.
"""

from dataclasses import dataclass
from random import Random
from typing import Any

from google.protobuf import (
    any_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor_pb2 import Edition, FeatureSet, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

_WELL_KNOWN_FILES = (
    any_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
_WELL_KNOWN = (
    "Any", "Any", "Any", "Struct", "Struct", "Value", "Value", "ListValue", "Timestamp", "Duration", "FieldMask",
    "FloatValue", "StringValue", "Int64Value", "BoolValue", "BytesValue", "Empty",
)  # fmt: skip
_VARINT, _I64, _LEN, _SGROUP, _EGROUP, _I32 = range(6)
_T = FieldDescriptorProto
_SCALARS = [kind for kind in range(1, 19) if kind not in {_T.TYPE_GROUP, _T.TYPE_MESSAGE, _T.TYPE_ENUM}]
_FIXED = {
    _T.TYPE_DOUBLE: 8, _T.TYPE_FIXED64: 8, _T.TYPE_SFIXED64: 8,
    _T.TYPE_FLOAT: 4, _T.TYPE_FIXED32: 4, _T.TYPE_SFIXED32: 4,
}  # fmt: skip
_KEYS = (_T.TYPE_STRING, _T.TYPE_INT32, _T.TYPE_UINT64, _T.TYPE_BOOL, _T.TYPE_SINT64, _T.TYPE_FIXED32)
_TYPES = 4
_TEXTS = (
    b"", b"a", b"a,b", b"fooBar", b"foo_bar", b"NaN", b"null", b"@type", b"@value", b"xsd:date", b"\xc3\xa9",
    b"\xff", b"a\x80", b"opaque.invalid/0/google.protobuf.BytesValue", b"2022-10-02", b"5s", b"-0", b"1e3",
)  # fmt: skip
_URLS = (b"x/no.Such", b"", b"type.googleapis.com/google.protobuf.Value", b"x/google.protobuf.Any", b"\xff")
_FLOATS = (
    b"\x00\x00\x80\x7f", b"\xff\xff\x7f\x7f", b"\x00\x00\xc0\x7f", b"\x01\x00\xc0\xff", b"\x00\x00\x00\x80",
    b"\x01\x00\x00\x00", b"\xcd\xcc\xcc\x3d",
)  # fmt: skip
_DOUBLES = (
    b"\x00\x00\x00\x00\x00\x00\xf8\x7f", b"\x00\x00\x00\x00\x00\x00\xf0\xff", b"\x00\x00\x00\x00\x00\x00\x00\x80",
    b"\xff\xff\xff\xff\xff\xff\xef\x7f", b"\x00\x00\x00\x00\x00\x00\xf0\x3f",
)  # fmt: skip


@dataclass(frozen=True)
class RandomSchema:
    """The types ``r.M0`` … in a pool that also has the well-known types."""

    pool: DescriptorPool
    syntax: str

    @property
    def root(self) -> Any:
        return self.pool.FindMessageTypeByName("r.M0")


def random_schema(random: Random) -> RandomSchema:
    """A schema of one file in proto2, proto3 or edition 2023."""
    syntax = random.choice(("proto2", "proto3", "editions"))
    file = FileDescriptorProto(name="r.proto", package="r", syntax=syntax)
    if syntax == "editions":
        file.edition = Edition.EDITION_2023
        if random.random() < 0.3:
            file.options.features.utf8_validation = FeatureSet.NONE
        if random.random() < 0.3:
            file.options.features.enum_type = FeatureSet.CLOSED
    file.dependency.extend(module.DESCRIPTOR.name for module in _WELL_KNOWN_FILES)
    kind = file.enum_type.add(name="E")
    for number, name in ((0, "ZERO"), (1, "ONE"), (2, "TWO"), (-1, "MINUS")):
        kind.value.add(name=name, number=number)
    for index in range(_TYPES):
        _add_message(file, index, syntax, random)
    if syntax != "proto3":
        for number in (100, 101):
            extension = file.extension.add(name=f"x{number}", number=number, extendee=".r.M0")
            _set_type(extension, random, syntax)
            extension.label = random.choice((_T.LABEL_OPTIONAL, _T.LABEL_REPEATED))
    pool = DescriptorPool()
    for module in _WELL_KNOWN_FILES:
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return RandomSchema(pool, syntax)


def _add_message(file: FileDescriptorProto, index: int, syntax: str, random: Random) -> None:
    message = file.message_type.add(name=f"M{index}")
    if index == 0 and syntax != "proto3":
        message.extension_range.add(start=100, end=200)
    if random.random() < 0.6:
        message.oneof_decl.add(name="choice")
    for number in range(1, random.randint(3, 9)):
        field = message.field.add(name=f"f_{number}", number=number, json_name=f"f{number}")
        chance = random.random()
        if chance < 0.15:
            _make_map(message, field, random)
        elif chance < 0.25 and syntax == "proto2":
            _make_group(message, field, random)
        else:
            _set_type(field, random, syntax)
            _set_label(message, field, random, repeated=chance < 0.5)
            if field.label == _T.LABEL_REPEATED and syntax != "editions" and random.random() < 0.5:
                _set_packed(field, random)
    if message.oneof_decl and not any(field.HasField("oneof_index") for field in message.field):
        del message.oneof_decl[:]
    if syntax == "proto3":
        _make_optional(message, random)


def _make_group(message: Any, field: Any, random: Random) -> None:
    name = f"G{field.number}"
    field.type, field.type_name, field.label = _T.TYPE_GROUP, f".r.{message.name}.{name}", _T.LABEL_OPTIONAL
    inner = message.nested_type.add(name=name).field.add(name="inner", number=1, label=_T.LABEL_OPTIONAL)
    _set_type(inner, random, "proto2")
    if random.random() < 0.4:
        field.label = _T.LABEL_REPEATED


def _set_label(message: Any, field: Any, random: Random, *, repeated: bool) -> None:
    field.label = _T.LABEL_REPEATED if repeated else _T.LABEL_OPTIONAL
    if not repeated and message.oneof_decl and random.random() < 0.4:
        field.oneof_index = 0


def _set_packed(field: Any, random: Random) -> None:
    if _is_packable(field):
        field.options.packed = random.random() < 0.5


def _make_optional(message: Any, random: Random) -> None:
    """Give some fields proto3's ``optional``."""
    for field in message.field:
        singular = field.label == _T.LABEL_OPTIONAL and not field.HasField("oneof_index")
        if singular and random.random() < 0.3:
            field.proto3_optional = True
            field.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{field.name}")


def _make_map(message: Any, field: Any, random: Random) -> None:
    entry = message.nested_type.add(name=f"F{field.number}Entry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=_T.LABEL_OPTIONAL, type=random.choice(_KEYS))
    value = entry.field.add(name="value", number=2, label=_T.LABEL_OPTIONAL)
    _set_type(value, random, "")
    field.label, field.type, field.type_name = (
        _T.LABEL_REPEATED,
        _T.TYPE_MESSAGE,
        f".r.{message.name}.{entry.name}",
    )


def _set_type(field: Any, random: Random, syntax: str) -> None:
    chance = random.random()
    if chance < 0.4:
        field.type = random.choice(_SCALARS)
    elif chance < 0.5:
        field.type, field.type_name = _T.TYPE_ENUM, ".r.E"
    elif chance < 0.53:
        field.type, field.type_name = _T.TYPE_ENUM, ".google.protobuf.NullValue"
    elif chance < 0.75:
        field.type, field.type_name = _T.TYPE_MESSAGE, f".r.M{random.randrange(_TYPES)}"
        if syntax == "editions" and random.random() < 0.3:
            field.options.features.message_encoding = FeatureSet.DELIMITED
    else:
        field.type, field.type_name = _T.TYPE_MESSAGE, f".google.protobuf.{random.choice(_WELL_KNOWN)}"


def _is_packable(field: Any) -> bool:
    return field.type not in {_T.TYPE_STRING, _T.TYPE_BYTES, _T.TYPE_MESSAGE, _T.TYPE_GROUP}


class RandomWriter:
    """Writes random bytes of a message type."""

    def __init__(self, schema: RandomSchema, random: Random) -> None:
        self._schema = schema
        self._random = random

    def message(self, descriptor: Any, depth: int = 0) -> bytes:
        """The fields of a message in any order, some twice, some unknown."""
        random = self._random
        special = getattr(self, f"_{descriptor.name.lower()}", None)
        if special is not None and descriptor.full_name.startswith("google.") and random.random() < 0.9:
            return bytes(special(depth))
        fields = list(descriptor.fields)
        if descriptor.is_extendable:
            fields += self._schema.pool.FindAllExtensions(descriptor)
        output = b""
        for _ in range(random.randint(0, 6 if depth < 3 else 2)):
            if not fields or random.random() < 0.1:
                output += self._unknown(depth)
            else:
                output += self._field(random.choice(fields), depth)
        return output

    def _field(self, field: Any, depth: int) -> bytes:
        random = self._random
        count = random.randint(1, 3) if field.is_repeated else 1
        if field.is_repeated and _is_packable(field) and random.random() < 0.5:
            return self.record(
                field.number, b"".join(self._scalar(field) for _ in range(random.randint(0, 4)))
            )
        return b"".join(self._single(field, depth) for _ in range(count))

    def _single(self, field: Any, depth: int) -> bytes:
        if field.type == _T.TYPE_GROUP:
            content = self.message(field.message_type, depth + 1) if depth < 4 else b""
            return self._tag(field.number, _SGROUP) + content + self._tag(field.number, _EGROUP)
        if field.message_type is not None:
            return self.record(
                field.number, self.message(field.message_type, depth + 1) if depth < 4 else b""
            )
        if field.type in {_T.TYPE_STRING, _T.TYPE_BYTES}:
            return self.record(field.number, self._random.choice(_TEXTS))
        wire_type = {8: _I64, 4: _I32}.get(_FIXED.get(field.type, 0), _VARINT)
        return self._tag(field.number, wire_type) + self._scalar(field)

    def _scalar(self, field: Any) -> bytes:
        random = self._random
        size = _FIXED.get(field.type)
        if field.type == _T.TYPE_FLOAT and random.random() < 0.7:
            return random.choice(_FLOATS)
        if field.type == _T.TYPE_DOUBLE and random.random() < 0.7:
            return random.choice(_DOUBLES)
        if size is not None:
            return random.randbytes(size)
        if field.type == _T.TYPE_ENUM:
            return self._varint(random.choice((0, 1, 2, 3, 2**64 - 1, 2**32 + 1)))
        return self._varint(random.choice((0, 1, 2, 127, 128, 2**31, 2**32 - 1, 2**53 + 1, 2**63, 2**64 - 1)))

    def _unknown(self, depth: int) -> bytes:
        random = self._random
        number = random.choice((1, 2, 3, 11, 12, 500))
        kind = (
            random.choice((_VARINT, _I64, _LEN, _SGROUP, _I32))
            if number > 10
            else random.choice((_I64, _I32))
        )
        if kind == _VARINT:
            return self._tag(number, kind) + self._varint(random.getrandbits(63))
        if kind in {_I64, _I32}:
            return self._tag(number, kind) + random.randbytes(8 if kind == _I64 else 4)
        if kind == _LEN:
            return self.record(number, random.choice(_TEXTS))
        inner = self._unknown(depth + 1) if depth < 3 else b""
        return self._tag(number, _SGROUP) + inner + self._tag(number, _EGROUP)

    def _any(self, depth: int) -> bytes:
        random = self._random
        url, content = random.choice(_URLS), random.choice(_TEXTS)
        chance = random.random()
        if chance < 0.6 and depth < 4:
            inner = self._schema.pool.FindMessageTypeByName(f"r.M{random.randrange(_TYPES)}")
            url, content = f"x/{inner.full_name}".encode(), self.message(inner, depth + 1)
        elif chance < 0.7 and depth < 4:
            inner = self._schema.pool.FindMessageTypeByName(f"google.protobuf.{random.choice(_WELL_KNOWN)}")
            url, content = f"x/{inner.full_name}".encode(), self.message(inner, depth + 1)
        return self.record(1, url) + self.record(2, content)

    def _struct(self, depth: int) -> bytes:
        """Keys and values that look like what Loom writes for others."""
        entries = b""
        for _ in range(self._random.randint(0, 3)):
            value = self._value(depth + 1)
            entries += self.record(1, self.record(1, self._random.choice(_TEXTS)) + self.record(2, value))
        if self._random.random() < 0.3:
            for key, text in ((b"@type", b"xsd:date"), (b"@value", b"2022-10-02")):
                entries += self.record(1, self.record(1, key) + self.record(2, self.record(3, text)))
        return entries

    def _value(self, depth: int) -> bytes:
        random = self._random
        kind = random.randrange(8) if depth < 5 else random.randrange(5)
        writers = (
            lambda: b"",
            lambda: self._tag(1, _VARINT) + self._varint(0),
            lambda: self._tag(2, _I64) + random.choice(_DOUBLES),
            lambda: self.record(3, random.choice(_TEXTS)),
            lambda: self._tag(4, _VARINT) + self._varint(random.randrange(2)),
            lambda: self.record(5, self._struct(depth + 1)),
            lambda: self.record(6, self._listvalue(depth + 1)),
            lambda: self._value(depth + 1) + self._value(depth + 1),
        )
        return writers[kind]()

    def _listvalue(self, depth: int) -> bytes:
        return b"".join(self.record(1, self._value(depth + 1)) for _ in range(self._random.randint(0, 3)))

    def _timestamp(self, _depth: int) -> bytes:
        random = self._random
        seconds = random.choice((0, 1_700_000_000, 1_700_000_000_000, 2**64 - 1, 253_402_300_800))
        nanos = random.choice((0, 5, 999_999_999, 2_000_000_000, 2**64 - 1))
        return self._tag(1, _VARINT) + self._varint(seconds) + self._tag(2, _VARINT) + self._varint(nanos)

    _duration = _timestamp

    def _fieldmask(self, _depth: int) -> bytes:
        return b"".join(
            self.record(1, self._random.choice(_TEXTS)) for _ in range(self._random.randint(0, 3))
        )

    def record(self, number: int, content: bytes) -> bytes:
        """A length-delimited field."""
        return self._tag(number, _LEN) + self._varint(len(content)) + content

    def _tag(self, number: int, kind: int) -> bytes:
        return self._varint(number << 3 | kind, longest=5)

    def _varint(self, value: int, longest: int = 10) -> bytes:
        """A varint; one in ten is longer than need be."""
        output = bytearray()
        while value > 0x7F:
            output.append(value & 0x7F | 0x80)
            value >>= 7
        output.append(value)
        if self._random.random() < 0.1 and len(output) < longest:
            output[-1] |= 0x80
            output.append(0)
        return bytes(output)
