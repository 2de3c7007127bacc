"""JSON forms of single values: floats, bytes, enums."""

import base64
import binascii
import math
import re
import struct
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

Converter = Callable[[Any], Any]

_MAX_CACHED_SINGLES = 10_000
_BASE64 = re.compile(r"([A-Za-z0-9+/_-]*)(={0,2})")
_FLOAT32 = struct.Struct("<f")


def as_base64(value: bytes) -> str:
    return binascii.b2a_base64(value, newline=False).decode("ascii")


def parse_base64(text: Any) -> bytes:
    """The bytes of base64 in either alphabet, padded or not, as the JSON mapping allows; ValueError if it is not."""
    match = _BASE64.fullmatch(text) if isinstance(text, str) else None
    if match is None or len(match[1]) % 4 == 1 or (match[2] and len(text) % 4):
        raise ValueError("not base64")
    return base64.urlsafe_b64decode(match[1].replace("+", "-").replace("/", "_") + "=" * (-len(match[1]) % 4))


def double(value: float) -> float | str:
    """The JSON of a float64: a number, or text for NaN and the infinities."""
    if value - value == 0:  # not so for NaN and the infinities
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def doubles(values: Any) -> list[float | str]:
    """The JSON of many float64s. Nearly always all are finite, which one sum shows."""
    numbers = list(values)
    return numbers if math.isfinite(sum(numbers)) else [double(value) for value in numbers]


def single(value: float) -> float | str:
    """The JSON of a float32: the shortest decimal that parses to the same float32."""
    if not math.isfinite(value):
        return double(value)
    pack, unpack = _FLOAT32.pack, _FLOAT32.unpack
    for digits in ("%.6g", "%.7g", "%.8g"):
        short = float(digits % value)
        try:
            if unpack(pack(short))[0] == value:
                return short
        except OverflowError:  # rounded up past the largest float32
            continue
    return value


class Singles(dict[float, Any]):
    """A bounded cache of :func:`single`: the numbers of real messages recur."""

    def __missing__(self, value: float) -> Any:
        number = single(value)
        if value and value - value == 0 and len(self) < _MAX_CACHED_SINGLES:  # -0.0 would be taken for 0.0
            self[value] = number
        return number


def enum_names(kind: EnumDescriptor) -> dict[int, str] | None:
    """The names of an enum by number; None for ``NullValue``, whose JSON is null."""
    if kind.full_name == "google.protobuf.NullValue":
        return None
    # Of several names for one number, the first is the name.
    return {value.number: value.name for value in reversed(kind.values)}


def enum_converter(kind: EnumDescriptor) -> Converter:
    """The converter of an enum's numbers: to the name, or unchanged if there is none."""
    names = enum_names(kind)
    return (lambda _: None) if names is None else lambda number: names.get(number, number)


SCALARS: dict[int, Converter] = {
    FieldDescriptor.TYPE_INT64: str,
    FieldDescriptor.TYPE_UINT64: str,
    FieldDescriptor.TYPE_FIXED64: str,
    FieldDescriptor.TYPE_SFIXED64: str,
    FieldDescriptor.TYPE_SINT64: str,
    FieldDescriptor.TYPE_BYTES: as_base64,
    FieldDescriptor.TYPE_DOUBLE: double,
    FieldDescriptor.TYPE_FLOAT: single,
}
"""Converters of types that are not JSON as they are. 64-bit integers become text, so that no reader rounds them."""
