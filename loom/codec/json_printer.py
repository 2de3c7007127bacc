"""Print a message as canonical JSON (https://protobuf.dev/programming-guides/json/).

The tests compare it with protobuf's own ``json_format``, which takes several times as long and fails for the whole
message because of one Any of unknown type or one timestamp out of range. This printer reports the problem and goes on.
"""

import math
from datetime import date
from operator import attrgetter
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message

from .compiled_readers import CompiledReaders
from .lenient_parser import parse_message
from .scalars import Converter, as_base64, double
from .type_resolver import TypeResolver, type_name

MAX_PROBLEMS = 5
MAX_ANY_DEPTH = 8
_EPOCH = date(1970, 1, 1).toordinal()
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799  # the years 1 to 9999
_MAX_DURATION_SECONDS = 315_576_000_000  # seconds of a duration
_MICRO, _MILLI, _BILLION = 1_000, 1_000_000, 1_000_000_000  # nanoseconds
_DAY, _MINUTE = 86_400, 60  # seconds
_MINUTES = tuple(f"T{hour:02}:{minute:02}:" for hour in range(24) for minute in range(60))
_SECONDS = tuple(f"{second:02}" for second in range(60))
_MAX_CACHED_DAYS = 10_000
_WRAPPERS = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in ("Bool", "Bytes", "Double", "Float", "Int32", "Int64", "String", "UInt32", "UInt64")
)
ANY = "google.protobuf.Any"
STRUCT, LIST, VALUE = "google.protobuf.Struct", "google.protobuf.ListValue", "google.protobuf.Value"
WELL_KNOWN = _WRAPPERS | {
    STRUCT,
    LIST,
    VALUE,
    *(f"google.protobuf.{kind}" for kind in ("Timestamp", "Duration", "FieldMask")),
}
"""TypeResolver whose JSON is not that of their fields."""


class JsonPrinter:
    """Prints messages as JSON values; call :meth:`reset` before each.

    ``problems``: what has no canonical JSON, a line each. ``missing_types``: types of Anys that the resolver did not
    know. ``unknown_fields``: an Any contained fields that its type lacks. ``any_depth``: how many Anys enclose the next
    value.
    """

    def __init__(self, resolver: TypeResolver) -> None:
        self.problems: list[str] = []
        self.missing_types: set[str] = set()
        self.unknown_fields = False
        self.readers = CompiledReaders(self._special, self._text)
        self._resolver = resolver
        self._days = _Days()
        self._types: dict[str, Descriptor] = {}
        self.any_depth = 0

    def reset(self) -> None:
        """Clear the problems, missing types and flags of the previous message."""
        self.problems = []
        self.missing_types = set()
        self.unknown_fields = False
        self.any_depth = 0

    def value(self, message: Message) -> Any:
        """The JSON value of a message: an object, or the JSON form of its well-known type."""
        return self.readers.read(message)

    def unpack(self, message: Any) -> Message | None:
        """Unpack an Any; None if that is not possible, with the reason in ``problems``."""
        name = type_name(message.type_url)
        if self.any_depth >= MAX_ANY_DEPTH:
            self._problem(f"an Any in more than {MAX_ANY_DEPTH} others is not unpacked")
            return None
        try:
            descriptor = self._types.get(name)
            if descriptor is None:
                descriptor = self._types[name] = self._resolver.FindMessageTypeByName(name)
            inner = self._parse_any(descriptor, message.value)
        except KeyError:
            self.missing_types.add(name)
            self._problem(f"no source knows {name or 'a type without a name'}, the type of an Any")
            return None
        except DecodeError as error:
            self._problem(f"the content of an Any is not a valid {name}: {error}")
            return None
        self.unknown_fields = self.unknown_fields or drop_unknown_fields(inner)
        return inner

    def _parse_any(self, descriptor: Descriptor, data: bytes) -> Message:
        message, flaws = parse_message(data, descriptor)
        for flaw in flaws:
            self._problem(f"in an Any of {descriptor.full_name}, {flaw}")
        return message

    def _problem(self, text: str) -> None:
        """Record a problem, unless there are enough of them."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(text)

    def _text(self, value: str | bytes) -> str:
        if isinstance(value, str):
            return value
        self._problem("a string is not valid UTF-8: the invalid bytes are shown as �")
        return value.decode("utf-8", "replace")

    def _special(self, descriptor: Descriptor) -> Converter | None:
        """The conversion of a well-known type; None for any other type."""
        name = descriptor.full_name
        if name in _WRAPPERS:
            convert = self.readers.converter(descriptor.fields_by_name["value"])
            return (lambda message: convert(message.value)) if convert else attrgetter("value")
        if name == "google.protobuf.Timestamp":
            return self._timestamp(self._to_json_string())
        if name == "google.protobuf.Duration":
            return self._duration(self._to_json_string())
        if name == "google.protobuf.FieldMask":
            return self._field_mask(self._to_json_string())
        return {ANY: self._any, STRUCT: self._struct, LIST: self._list, VALUE: self._json_value}.get(name)

    def _to_json_string(self) -> Converter:
        fields = self.readers.field_by_field()

        def text(message: Any) -> Any:
            try:
                return message.ToJsonString()
            except (ValueError, OverflowError) as error:
                self._problem(f"{message.DESCRIPTOR.name} without a JSON form: {error}")
                return fields(message)

        return text

    def _timestamp(self, fallback: Converter) -> Converter:
        """Print directly what is in range, which takes a fraction of the time of ``ToJsonString``."""
        days = self._days

        def text(message: Any) -> Any:
            seconds, nanos = message.seconds, message.nanos
            if not (_FIRST_SECOND <= seconds <= _LAST_SECOND and 0 <= nanos < _BILLION):
                return fallback(message)
            day, left = divmod(seconds, _DAY)
            minute, second = divmod(left, _MINUTE)
            fraction = f"{_fraction(nanos)}Z" if nanos else "Z"
            return f"{days[day]}{_MINUTES[minute]}{_SECONDS[second]}{fraction}"

        return text

    @staticmethod
    def _duration(fallback: Converter) -> Converter:
        """The same for durations that are not negative."""

        def text(message: Any) -> Any:
            seconds, nanos = message.seconds, message.nanos
            if not (0 <= seconds < _MAX_DURATION_SECONDS and 0 <= nanos < _BILLION):
                return fallback(message)
            return f"{seconds}{_fraction(nanos)}s" if nanos else f"{seconds}s"

        return text

    def _field_mask(self, text: Converter) -> Converter:
        """Print the paths as an object if a path has a comma, or another form that the text does not give back."""
        fields = self.readers.field_by_field()

        def value(message: Any) -> Any:
            json_value = text(message)
            if isinstance(json_value, str):
                parsed = type(message)()
                parsed.FromJsonString(json_value)
                if parsed.paths != message.paths:
                    self._problem("FieldMask without a JSON form: a path has a comma or is empty")
                    return fields(message)
            return json_value

        return value

    def _struct(self, message: Any) -> dict[str, Any]:
        fields, value = message.fields, self._json_value
        return {name: value(fields[name]) for name in sorted(fields)}

    def _list(self, message: Any) -> list[Any]:
        return list(map(self._json_value, message.values))

    def _json_value(self, message: Any) -> Any:
        kind = message.WhichOneof("kind")
        if kind == "string_value":
            return message.string_value
        if kind == "number_value":
            number = message.number_value
            if not math.isfinite(number):
                self._problem("NaN and infinities have no JSON form in google.protobuf.Value")
            return double(number)
        if kind == "struct_value":
            return self._struct(message.struct_value)
        if kind == "list_value":
            return self._list(message.list_value)
        return message.bool_value if kind == "bool_value" else None

    def _any(self, message: Any) -> dict[str, Any]:
        url = message.type_url
        if not url and not message.value:
            return {}
        inner = self.unpack(message)
        if inner is None:
            return opaque_any(message)
        self.any_depth += 1
        value = self.value(inner)
        self.any_depth -= 1
        name = type(inner).DESCRIPTOR.full_name
        if name in WELL_KNOWN or name == ANY:
            return {"@type": url, "value": value}
        return {"@type": url, **value}


class _Days(dict[int, str]):
    """A cache of days since 1970 as ISO dates: the timestamps of one message are of few days."""

    def __missing__(self, day: int) -> str:
        if len(self) >= _MAX_CACHED_DAYS:
            self.clear()
        text = self[day] = date.fromordinal(_EPOCH + day).isoformat()
        return text


def opaque_any(message: Any) -> dict[str, str]:
    """The JSON of an Any that cannot be unpacked: its type URL and its bytes in base64."""
    return {"@type": message.type_url, "@value": as_base64(message.value)}


def drop_unknown_fields(message: Message) -> bool:
    """Drop the unknown fields of a message at any depth, but not within Anys; whether there were any."""
    message_class = type(message)  # by the class: a field may have the name of a method
    # Not ByteSize: that fails where a required field is missing.
    before = len(message_class.SerializePartialToString(message))
    message_class.DiscardUnknownFields(message)
    return len(message_class.SerializePartialToString(message)) != before


def _fraction(nanos: int) -> str:
    """The fraction of a second with three, six or nine digits."""
    if not nanos % _MILLI:
        return f".{nanos // _MILLI:03}"
    return f".{nanos // _MICRO:06}" if not nanos % _MICRO else f".{nanos:09}"
