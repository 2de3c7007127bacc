"""The canonical JSON mapping of a message (https://protobuf.dev/programming-guides/json/).

protobuf's own ``json_format`` is the measure (the tests compare with it) but takes many times as long and gives
up on the whole message for one Any of unknown type or one timestamp out of range. This one goes on and says what
was wrong.
"""

import math
from datetime import date
from operator import attrgetter
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message

from .compiled_readers import Readers
from .scalars import Convert, as_base64, double
from .type_resolver import TypeResolver, type_name

MAX_PROBLEMS = 5
MAX_ANY_DEPTH = 8
_EPOCH = date(1970, 1, 1).toordinal()
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799  # the years 1 to 9999
_LONGEST = 315_576_000_000  # seconds of a duration
_MICRO, _MILLI, _BILLION = 1_000, 1_000_000, 1_000_000_000  # nanoseconds
_DAY, _MINUTE = 86_400, 60  # seconds
_MINUTES = tuple(f"T{hour:02}:{minute:02}:" for hour in range(24) for minute in range(60))
_SECONDS = tuple(f"{second:02}" for second in range(60))
_MOST_DAYS = 10_000
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
    """Turns messages into JSON values, one after the other; :meth:`reset` before each.

    ``problems`` are what has no canonical JSON, each in one line; ``missing`` the type names that
    Anys wanted and ``types`` did not have; ``unknown`` tells that an Any held fields its type does not have;
    ``any_depth`` in how many Anys the next value is.
    """

    def __init__(self, types: TypeResolver) -> None:
        self.problems: list[str] = []
        self.missing: set[str] = set()
        self.unknown = False
        self.readers = Readers(self._special, self._text)
        self._types = types
        self._days = _Days()
        self._kinds: dict[str, type[Message]] = {}
        self.any_depth = 0

    def reset(self) -> None:
        """Forget what was noted of the message before."""
        self.problems = []
        self.missing = set()
        self.unknown = False
        self.any_depth = 0

    def value(self, message: Message) -> Any:
        """The JSON value of a message: an object, or what its well-known type is in JSON."""
        return self.readers.read(message)

    def opened(self, message: Any) -> Message | None:
        """What an Any holds; None where that cannot be told, and why is noted."""
        name = type_name(message.type_url)
        if self.any_depth >= MAX_ANY_DEPTH:
            self._problem(f"an Any in more than {MAX_ANY_DEPTH} others is not opened")
            return None
        try:
            kind = self._kinds.get(name)
            if kind is None:
                kind = message_factory.GetMessageClass(self._types.FindMessageTypeByName(name))
                self._kinds[name] = kind
            inner = kind.FromString(message.value)
        except KeyError:
            self.missing.add(name)
            self._problem(f"no source knows {name or 'a type without a name'}, the type of an Any")
            return None
        except DecodeError as error:
            self._problem(f"the content of an Any is no valid {name}: {error}")
            return None
        self.unknown = self.unknown or drop_unknown(inner)
        return inner

    def _problem(self, text: str) -> None:
        """Note what could not be shown canonically; the first few are enough."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(text)

    def _text(self, value: str | bytes) -> str:
        if isinstance(value, str):
            return value
        self._problem("a string is no valid UTF-8: what is not is shown as �")
        return value.decode("utf-8", "replace")

    def _special(self, descriptor: Descriptor) -> Convert | None:
        """How a well-known type converts; None for any other."""
        name = descriptor.full_name
        if name in _WRAPPERS:
            convert = self.readers.convert(descriptor.fields_by_name["value"])
            return (lambda message: convert(message.value)) if convert else attrgetter("value")
        if name == "google.protobuf.Timestamp":
            return self._timestamp(self._in_text())
        if name == "google.protobuf.Duration":
            return self._duration(self._in_text())
        if name == "google.protobuf.FieldMask":
            return self._in_text()
        return {ANY: self._any, STRUCT: self._struct, LIST: self._list, VALUE: self._any_json}.get(name)

    def _in_text(self) -> Convert:
        fields = self.readers.listed()

        def text(message: Any) -> Any:
            try:
                return message.ToJsonString()
            except (ValueError, OverflowError) as error:
                self._problem(f"{message.DESCRIPTOR.name} without a JSON form: {error}")
                return fields(message)

        return text

    def _timestamp(self, slow: Convert) -> Convert:
        """Without the detour, which takes many times as long."""
        days = self._days

        def text(message: Any) -> Any:
            seconds, nanos = message.seconds, message.nanos
            if not (_FIRST_SECOND <= seconds <= _LAST_SECOND and 0 <= nanos < _BILLION):
                return slow(message)
            day, left = divmod(seconds, _DAY)
            minute, second = divmod(left, _MINUTE)
            fraction = f"{_fraction(nanos)}Z" if nanos else "Z"
            return f"{days[day]}{_MINUTES[minute]}{_SECONDS[second]}{fraction}"

        return text

    @staticmethod
    def _duration(slow: Convert) -> Convert:
        """The same for what is not negative."""

        def text(message: Any) -> Any:
            seconds, nanos = message.seconds, message.nanos
            if not (0 <= seconds < _LONGEST and 0 <= nanos < _BILLION):
                return slow(message)
            return f"{seconds}{_fraction(nanos)}s" if nanos else f"{seconds}s"

        return text

    def _struct(self, message: Any) -> dict[str, Any]:
        fields, value = message.fields, self._any_json
        return {name: value(fields[name]) for name in sorted(fields)}

    def _list(self, message: Any) -> list[Any]:
        return list(map(self._any_json, message.values))

    def _any_json(self, message: Any) -> Any:
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
        inner = self.opened(message)
        if inner is None:
            return unopened(message)
        self.any_depth += 1
        shown = self.value(inner)
        self.any_depth -= 1
        name = type(inner).DESCRIPTOR.full_name
        if name in WELL_KNOWN or name == ANY:
            return {"@type": url, "value": shown}
        return {"@type": url, **shown}


class _Days(dict[int, str]):
    """Days since 1970 as dates; messages that have many timestamps have them of few days."""

    def __missing__(self, day: int) -> str:
        if len(self) >= _MOST_DAYS:
            self.clear()
        text = self[day] = date.fromordinal(_EPOCH + day).isoformat()
        return text


def unopened(message: Any) -> dict[str, str]:
    """What is shown of an Any that cannot be opened."""
    return {"@type": message.type_url, "@value": as_base64(message.value)}


def drop_unknown(message: Message) -> bool:
    """Drop the fields, at any depth, that the descriptor does not have; whether there were any.

    Anys are not opened.
    """
    kind = type(message)  # through the class: a field may have the name of a method
    # Not ByteSize: that fails where a required field is missing.
    before = len(kind.SerializePartialToString(message))
    kind.DiscardUnknownFields(message)
    return len(kind.SerializePartialToString(message)) != before


def _fraction(nanos: int) -> str:
    """The digits behind the second: three, six or nine."""
    if not nanos % _MILLI:
        return f".{nanos // _MILLI:03}"
    return f".{nanos // _MICRO:06}" if not nanos % _MICRO else f".{nanos:09}"
