"""Parses values: durations, sizes, counts and their comparisons; patterns of text."""

import functools
import operator
import re
from collections.abc import Callable

from .error import FilterError
from .scanner import Form, Value

Number = Callable[[float], bool]
Text = Callable[[str], bool]

DURATIONS = {"us": 1, "µs": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}
SIZES = {
    "b": 1,
    "kb": 1_000,
    "mb": 1_000_000,
    "gb": 1_000_000_000,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
}
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
    "": operator.eq,
}
_COMPARISON = re.compile(r"(>=|<=|>|<|=|)(.*)", re.DOTALL)
_CACHED_PATHS = 10_000  # fields repeat their paths
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)([a-zA-Zµ]*)")


def number(value: Value, units: dict[str, int], default: str, example: str) -> Number:
    """A comparison (``>250ms``, ``<=3``, ``7``) or an inclusive range (``1ms..2s``).

    ``default`` is the unit of a number without one, or "".
    """

    def parse(text: str, column: int) -> float:
        match = _NUMBER.fullmatch(text)
        unit = match[2].lower() or default if match else ""
        if match is None or (unit and unit not in units):
            allowed = f"units: {', '.join(name for name in units if name.isascii())}; " if units else ""
            raise FilterError(f"{text!r} is not an amount", column, f"{allowed}as in {example}")
        return float(match[1]) * (units[unit] if unit else 1)

    if value.form is Form.REGEX:
        raise FilterError("an amount cannot be a regular expression", value.column, f"as in {example}")
    low, dots, high = value.text.partition("..")
    if dots:
        first, last = parse(low, value.column), parse(high, value.column + len(low) + 2)
        return lambda amount: first <= amount <= last
    match = _COMPARISON.fullmatch(value.text)
    assert match is not None  # noqa: S101 (the pattern takes any text)
    compare, limit = _OPERATORS[match[1]], parse(match[2], value.column + len(match[1]))
    return lambda amount: compare(amount, limit)


def choice(value: Value, allowed: tuple[str, ...]) -> str:
    """One of a few names, in any case."""
    name = value.text.lower()
    if value.form is Form.REGEX or name not in allowed:
        raise FilterError(f"{value.text!r} is not allowed here", value.column, "one of " + ", ".join(allowed))
    return name


def regex(value: Value) -> Text:
    """A regular expression that matches anywhere in the text."""
    try:
        pattern = re.compile(value.text, re.IGNORECASE if value.ignore_case else 0)
    except (re.error, OverflowError) as error:
        raise FilterError(f"the regular expression is wrong: {error}", value.column) from None
    return lambda text: pattern.search(text) is not None


def contains(value: Value) -> Text:
    """The value occurs anywhere in the text, ignoring case; ``*`` and ``?`` of an unquoted word are wildcards."""
    if value.form is Form.REGEX:
        return regex(value)
    if value.form is Form.WORD and _has_wildcard(value.text):
        pattern = re.compile(_glob(value.text), re.IGNORECASE | re.DOTALL)
        return lambda text: pattern.search(text) is not None
    lowered = value.text.lower()
    return lambda text: lowered in text.lower()


def equals(value: Value) -> Text:
    """The value is the whole text, ignoring case; ``*`` and ``?`` of an unquoted word are wildcards."""
    if value.form is Form.REGEX:
        return regex(value)
    if value.form is Form.WORD and _has_wildcard(value.text):
        pattern = re.compile(_glob(value.text), re.IGNORECASE | re.DOTALL)
        return lambda text: pattern.fullmatch(text) is not None
    lowered = value.text.lower()
    return lambda text: text.lower() == lowered


def literal(value: Value) -> str:
    """A text that occurs in everything that :func:`contains` or :func:`equals` matches; "" if there is none."""
    is_pattern = value.form is Form.REGEX or (value.form is Form.WORD and _has_wildcard(value.text))
    return "" if is_pattern else value.text


def path(field: str) -> Text:
    """A path that ends in ``field`` (``user.name``, ``items.*.sku``); indices may be left out of it.

    ``user_name`` and ``userName`` are the same name.
    """
    steps = [re.compile(_glob(step), re.IGNORECASE) for step in field.replace("_", "").split(".")]

    @functools.lru_cache(_CACHED_PATHS)
    def matches(text: str) -> bool:
        names = text.replace("_", "").split(".")
        return any(_ends(names, steps) for names in (names, [name for name in names if not name.isdigit()]))

    return matches


def _ends(names: list[str], steps: list[re.Pattern[str]]) -> bool:
    if len(steps) > len(names):
        return False
    tail = names[len(names) - len(steps) :]
    return all(step.fullmatch(name) for step, name in zip(steps, tail, strict=True))


def _has_wildcard(text: str) -> bool:
    return "*" in text or "?" in text


def _glob(text: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in text)
