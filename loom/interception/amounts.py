"""Durations, sizes, ranges and rates as they are written in rules: ``100ms..300ms``, ``5MiB``, ``2..``, ``64KiB/s``."""

import re
from dataclasses import dataclass

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h)")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(B|KB|MB|KiB|MiB)")
_BYTES = {"B": 1, "KB": 1000, "MB": 1000**2, "KiB": 1024, "MiB": 1024**2}
_RANGE = re.compile(r"(\d+)(?:(\.\.)(\d+)?)?")
_RATE = re.compile(r"([^/]+)/s")
MAX_DELAY = 3600.0
"""The longest duration of a delay, in seconds."""


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from ``first`` to ``last``, both included; None: no end."""

    first: int
    last: int | None

    def __contains__(self, number: int) -> bool:
        return self.first <= number and (self.last is None or number <= self.last)

    def __str__(self) -> str:
        if self.first == self.last:
            return str(self.first)
        return f"{self.first}..{'' if self.last is None else self.last}"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many messages or bytes a second."""

    per_second: float
    unit: str  # "messages" or "bytes"


def parse_range(value: str | int) -> Range:
    """``2``, ``2..5`` or ``2..``; raises ValueError."""
    match = _RANGE.fullmatch(str(value).strip())
    if match is None:
        raise ValueError(f'{value!r} is not a range: write "3", "1..3" or "2.."')
    first = int(match[1])
    last = first if match[2] is None else None if match[3] is None else int(match[3])
    if last is not None and last < first:
        raise ValueError(f"the range {value!r} ends before it begins")
    return Range(first, last)


def parse_duration(text: str) -> float:
    """Seconds; raises ValueError."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f'{text!r} is not a duration: write a number with its unit, as in "250ms", "2s" or "10m"'
        )
    return float(match[1]) * _SECONDS[match[2]]


def parse_delay(text: str) -> tuple[float, float]:
    """The shortest and the longest delay, in seconds: ``2s`` or ``100ms..300ms``; raises ValueError."""
    low, dots, high = text.partition("..")
    first = parse_duration(low)
    last = parse_duration(high) if dots else first
    if last < first:
        raise ValueError(f"the range {text!r} ends before it begins")
    if last > MAX_DELAY:
        raise ValueError(f"a delay of {text!r} is longer than an hour")
    return first, last


def parse_size(text: str) -> int:
    """Bytes; raises ValueError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'{text!r} is not a size: write a number with its unit, as in "5MiB"')
    return int(float(match[1]) * _BYTES[match[2]])


def parse_rate(text: str) -> Rate:
    """``10/s`` messages or ``64KiB/s``; raises ValueError."""
    match = _RATE.fullmatch(text.strip())
    amount = "" if match is None else match[1].strip()
    try:
        rate = Rate(float(amount), "messages") if amount.replace(".", "", 1).isdigit() else None
        rate = rate or Rate(parse_size(amount), "bytes")
    except ValueError:
        raise ValueError(
            f'{text!r} is not a rate: write messages, as in "10/s", or bytes, as in "64KiB/s"'
        ) from None
    if rate.per_second <= 0:
        raise ValueError("a rate is above zero: to answer nothing, use hang = true")
    return rate
