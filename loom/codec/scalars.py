"""Single values as JSON has them: floats, bytes, enums."""

import binascii
import math
import struct
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

Convert = Callable[[Any], Any]

_MOST_SINGLES = 10_000
_FLOAT32 = struct.Struct("<f")


def as_base64(value: bytes) -> str:
    return binascii.b2a_base64(value, newline=False).decode("ascii")


def double(value: float) -> float | str:
    """A float64 as JSON has it: NaN and the infinities are text."""
    if value - value == 0:  # not so for NaN and the infinities
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def doubles(values: Any) -> list[float | str]:
    """Many of them; nearly always all are numbers, which one sum tells."""
    found = list(values)
    return found if math.isfinite(sum(found)) else [double(value) for value in found]


def single(value: float) -> float | str:
    """A float32 as the shortest decimal that reads back as the same float32."""
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
    """:func:`single` of numbers, some remembered: those of real messages come again and again."""

    def __missing__(self, value: float) -> Any:
        shown = single(value)
        if value and value - value == 0 and len(self) < _MOST_SINGLES:  # -0.0 would be taken for 0.0
            self[value] = shown
        return shown


def enum_names(kind: EnumDescriptor) -> dict[int, str] | None:
    """The names of the numbers; None where every value is null."""
    if kind.full_name == "google.protobuf.NullValue":
        return None
    # Of several names for one number, the first is the name.
    return {value.number: value.name for value in reversed(kind.values)}


def enum(kind: EnumDescriptor) -> Convert:
    """How a number of this enum is shown: by name, or as it is if it has none."""
    names = enum_names(kind)
    return (lambda _: None) if names is None else lambda number: names.get(number, number)


SCALARS: dict[int, Convert] = {
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
