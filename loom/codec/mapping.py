"""The canonical JSON mapping of a message (https://protobuf.dev/programming-guides/json/).

protobuf's own ``json_format`` is the measure (the tests compare with it) but takes three times as long and gives
up on the whole message for one Any of unknown type or one timestamp out of range. This one goes on and says what
was wrong. The work per message type is done once: a plan of how to read and convert its fields.
"""

import base64
import math
from array import array
from collections.abc import Callable
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from .types import Types, type_name

Convert = Callable[[Any], Any]

MAX_PROBLEMS = 5
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 (written as UTC, with the Z that isoformat leaves out)
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799  # the years 1 to 9999
MAX_ANY_DEPTH = 8
_SPARSE_OVER = 40  # fields: past it, asking which ones are set is cheaper than reading all
_FLOATS = frozenset({FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE})
_RESERVED = frozenset(dir(Message))
_WRAPPERS = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in ("Bool", "Bytes", "Double", "Float", "Int32", "Int64", "String", "UInt32", "UInt64")
)
ANY = "google.protobuf.Any"
WELL_KNOWN = _WRAPPERS | {
    f"google.protobuf.{kind}"
    for kind in ("Timestamp", "Duration", "FieldMask", "Struct", "Value", "ListValue")
}
"""Types whose JSON is not that of their fields."""


class JsonMapping:
    """Turns messages into JSON values, one after the other; :meth:`reset` before each.

    ``problems`` are what has no canonical JSON, each in one line; ``missing`` the type names that
    Anys wanted and ``types`` did not have; ``unknown`` tells that an Any held fields its type does not have.
    """

    def __init__(self, types: Types) -> None:
        self.problems: list[str] = []
        self.missing: set[str] = set()
        self.unknown = False
        self._types = types
        self._plans: dict[Descriptor, Convert] = {}
        self._planning: set[Descriptor] = set()
        self._any_depth = 0

    def reset(self) -> None:
        """Forget what was noted of the message before."""
        self.problems = []
        self.missing = set()
        self.unknown = False
        self._any_depth = 0

    def value(self, message: Message) -> Any:
        """The JSON value of a message: an object, or what its well-known type is in JSON."""
        return self._plan(type(message).DESCRIPTOR)(message)

    def problem(self, text: str) -> None:
        """Note what could not be shown canonically; the first few are enough."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(text)

    def _plan(self, descriptor: Any) -> Convert:
        plan = self._plans.get(descriptor)
        if plan is None:
            self._planning.add(descriptor)
            plan = self._special(descriptor) or self._generic(descriptor)
            self._planning.discard(descriptor)
            self._plans[descriptor] = plan
        return plan

    def _special(self, descriptor: Descriptor) -> Convert | None:
        """How a well-known type converts; None for any other."""
        name = descriptor.full_name
        if name in _WRAPPERS:
            convert = self._single(descriptor.fields_by_name["value"])
            return (lambda message: convert(message.value)) if convert else attrgetter("value")
        if name == "google.protobuf.Timestamp":
            return self._timestamp(self._generic(descriptor))
        if name in {"google.protobuf.Duration", "google.protobuf.FieldMask"}:
            return self._in_text(self._generic(descriptor))
        return {
            ANY: self._any,
            "google.protobuf.Struct": self._struct,
            "google.protobuf.ListValue": self._list,
            "google.protobuf.Value": self._any_json,
        }.get(name)

    def _generic(self, descriptor: Descriptor) -> Convert:
        fields = sorted(descriptor.fields, key=lambda field: field.number)
        odd = any(field.name in _RESERVED for field in fields)
        if descriptor.is_extendable or odd or not 0 < len(fields) <= _SPARSE_OVER:
            return self._listed(fields)
        return self._read(fields)

    def _read(self, fields: list[FieldDescriptor]) -> Convert:
        """Read every field at once: faster than asking which are set, while they are few."""
        rows = [
            (
                field.json_name,
                self._convert(field),
                field.name if field.has_presence else None,
                field.type in _FLOATS and not field.is_repeated,
            )
            for field in fields
        ]
        names = [field.name for field in fields]
        # attrgetter gives a tuple for two names and more
        get = attrgetter(*names) if len(names) > 1 else _one(names[0])

        def read(message: Any) -> dict[str, Any]:
            made = {}
            has = message.HasField
            for (name, convert, presence, is_float), value in zip(rows, get(message), strict=False):
                if presence is not None:
                    if not has(presence):
                        continue
                elif not value and not (is_float and math.copysign(1, value) < 0):  # -0.0 counts as set
                    continue
                made[name] = value if convert is None else convert(value)
            return made

        return read

    def _listed(self, fields: list[FieldDescriptor]) -> Convert:
        """Ask which fields are set: for extensions, many fields, and names that hide methods."""
        rows = {field.number: (field.json_name, self._convert(field)) for field in fields}

        def listed(message: Message) -> dict[str, Any]:
            made = {}
            for field, value in set_fields(message):
                row = rows.get(field.number)
                if row is None:
                    row = rows[field.number] = (f"[{field.full_name}]", self._convert(field))
                name, convert = row
                made[name] = value if convert is None else convert(value)
            return made

        return listed

    def _convert(self, field: FieldDescriptor) -> Convert | None:
        if is_map(field):
            return self._map(field)
        one = self._single(field)
        if not field.is_repeated:
            return one
        if one is None:
            return list
        return lambda values: [one(value) for value in values]

    def _map(self, field: FieldDescriptor) -> Convert:
        entry = field.message_type.fields_by_name  # type: ignore[union-attr]
        key = _map_key if entry["key"].type == FieldDescriptor.TYPE_BOOL else str
        one = self._single(entry["value"])
        # Sorted, as in the tree: protobuf's own order differs from one process to the next.
        if one is None:
            return lambda values: {key(name): values[name] for name in sorted(values)}
        return lambda values: {key(name): one(values[name]) for name in sorted(values)}

    def _single(self, field: FieldDescriptor) -> Convert | None:
        """How one value converts; None for those that are JSON already."""
        if field.message_type is not None:
            return self._nested(field.message_type)
        if field.enum_type is not None:
            return _enum(field.enum_type)
        return _SCALARS.get(field.type)

    def _nested(self, descriptor: Descriptor) -> Convert:
        if descriptor not in self._planning:
            return self._plan(descriptor)
        # The type holds itself: its plan is there when the first message is read.
        return lambda message: self._plans[descriptor](message)  # noqa: PLW0108 (not there yet)

    def _in_text(self, fields: Convert) -> Convert:
        def text(message: Any) -> Any:
            try:
                return message.ToJsonString()
            except (ValueError, OverflowError) as error:
                self.problem(f"{message.DESCRIPTOR.name} without a JSON form: {error}")
                return fields(message)

        return text

    def _timestamp(self, fields: Convert) -> Convert:
        """Whole seconds, the most frequent ones, without the detour that costs four times as much."""
        slow = self._in_text(fields)

        def text(message: Any) -> Any:
            seconds = message.seconds
            if message.nanos or not _FIRST_SECOND <= seconds <= _LAST_SECOND:
                return slow(message)
            return (_EPOCH + timedelta(0, seconds)).isoformat() + "Z"

        return text

    def _struct(self, message: Any) -> dict[str, Any]:
        fields = message.fields
        return {name: self._any_json(fields[name]) for name in sorted(fields)}

    def _list(self, message: Any) -> list[Any]:
        return [self._any_json(value) for value in message.values]

    def _any_json(self, message: Any) -> Any:
        kind = message.WhichOneof("kind")
        if kind is None or kind == "null_value":
            return None
        if kind == "struct_value":
            return self._struct(message.struct_value)
        if kind == "list_value":
            return self._list(message.list_value)
        if kind == "number_value":
            if not math.isfinite(message.number_value):
                self.problem("NaN and infinities have no JSON form in google.protobuf.Value")
            return double(message.number_value)
        return getattr(message, kind)

    def _any(self, message: Any) -> dict[str, Any]:
        url = message.type_url
        if not url and not message.value:
            return {}
        inner = self._open(message)
        if inner is None:
            return {"@type": url, "@value": as_base64(message.value)}
        self._any_depth += 1
        shown = self.value(inner)
        self._any_depth -= 1
        name = type(inner).DESCRIPTOR.full_name
        if name in WELL_KNOWN or name == ANY:
            return {"@type": url, "value": shown}
        return {"@type": url, **shown}

    def _open(self, message: Any) -> Message | None:
        name = type_name(message.type_url)
        if self._any_depth >= MAX_ANY_DEPTH:
            self.problem(f"an Any in more than {MAX_ANY_DEPTH} others is not opened")
            return None
        try:
            found = self._types.FindMessageTypeByName(name)
            inner = message_factory.GetMessageClass(found).FromString(message.value)
        except KeyError:
            self.missing.add(name)
            self.problem(f"no source knows {name or 'a type without a name'}, the type of an Any")
            return None
        except DecodeError as error:
            self.problem(f"the content of an Any is no valid {name}: {error}")
            return None
        self.unknown = self.unknown or has_unknown(inner)
        return inner


def has_unknown(message: Message) -> bool:
    """Whether there are fields, at any depth, that the descriptor does not have (Anys are not opened)."""
    kind = type(message)  # through the class: a field may have the name of a method
    known = kind()
    kind.CopyFrom(known, message)
    kind.DiscardUnknownFields(known)
    # Not ByteSize: that fails where a required field is missing.
    return len(kind.SerializePartialToString(known)) != len(kind.SerializePartialToString(message))


def set_fields(message: Message) -> list[tuple[FieldDescriptor, Any]]:
    """The fields that are set, with their values, even if a field's own name is ListFields."""
    return type(message).ListFields(message)  # type: ignore[return-value]


def is_map(field: FieldDescriptor) -> bool:
    """Whether a field is a map (to the wire, a repeated message of key and value)."""
    return bool(
        field.message_type is not None and field.is_repeated and field.message_type.GetOptions().map_entry
    )


def as_base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def double(value: float) -> float | str:
    """A float64 as JSON has it: NaN and the infinities are text."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def single(value: float) -> float | str:
    """A float32 as the shortest decimal that reads back as the same float32."""
    if not math.isfinite(value):
        return double(value)
    for digits in (6, 7, 8):
        short = float(f"{value:.{digits}g}")
        try:
            if array("f", (short,))[0] == value:
                return short
        except OverflowError:  # rounded up past the largest float32
            continue
    return value


_SCALARS: dict[int, Convert] = {
    FieldDescriptor.TYPE_INT64: str,
    FieldDescriptor.TYPE_UINT64: str,
    FieldDescriptor.TYPE_FIXED64: str,
    FieldDescriptor.TYPE_SFIXED64: str,
    FieldDescriptor.TYPE_SINT64: str,
    FieldDescriptor.TYPE_BYTES: as_base64,
    FieldDescriptor.TYPE_DOUBLE: double,
    FieldDescriptor.TYPE_FLOAT: single,
}
"""Those that are not JSON as they are: 64-bit integers are text, so that no reader rounds them."""


def _enum(kind: EnumDescriptor) -> Convert:
    if kind.full_name == "google.protobuf.NullValue":
        return lambda _: None
    # Of several names for one number, the first is the name.
    names: dict[int, Any] = {value.number: value.name for value in reversed(kind.values)}
    return lambda number: names.get(number, number)


def _map_key(key: bool) -> str:
    return "true" if key else "false"


def _one(name: str) -> Callable[[Any], tuple[Any]]:
    get = attrgetter(name)
    return lambda message: (get(message),)
