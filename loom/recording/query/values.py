"""What values mean: durations, sizes, counts and their comparisons; patterns of text."""

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
_MOST_PATHS = 10_000  # whose answers are remembered: fields come with the same paths again and again
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)([a-zA-Zµ]*)")


def number(value: Value, units: dict[str, int], default: str, example: str) -> Number:
    """A comparison (``>250ms``, ``<=3``, ``7``) or a range with both ends in it (``1ms..2s``).

    ``default`` is the unit of a bare number ("" where there are no units).
    """

    def read(text: str, column: int) -> float:
        match = _NUMBER.fullmatch(text)
        unit = match[2].lower() or default if match else ""
        if match is None or (unit and unit not in units):
            allowed = f"units: {', '.join(name for name in units if name.isascii())}; " if units else ""
            raise FilterError(f"{text!r} is no amount", column, f"{allowed}as in {example}")
        return float(match[1]) * (units[unit] if unit else 1)

    if value.form is Form.REGEX:
        raise FilterError("an amount cannot be a regular expression", value.column, f"as in {example}")
    low, dots, high = value.text.partition("..")
    if dots:
        first, last = read(low, value.column), read(high, value.column + len(low) + 2)
        return lambda found: first <= found <= last
    match = _COMPARISON.fullmatch(value.text)
    assert match is not None  # noqa: S101 (the pattern takes any text)
    compare, limit = _OPERATORS[match[1]], read(match[2], value.column + len(match[1]))
    return lambda found: compare(found, limit)


def choice(value: Value, allowed: tuple[str, ...]) -> str:
    """One of a few names, in any case."""
    found = value.text.lower()
    if value.form is Form.REGEX or found not in allowed:
        raise FilterError(f"{value.text!r} is not one of them", value.column, "one of " + ", ".join(allowed))
    return found


def regex(value: Value) -> Text:
    """A regular expression, found anywhere in the text."""
    try:
        pattern = re.compile(value.text, re.IGNORECASE if value.ignore_case else 0)
    except (re.error, OverflowError) as error:
        raise FilterError(f"the regular expression is wrong: {error}", value.column) from None
    return lambda text: pattern.search(text) is not None


def contains(value: Value) -> Text:
    """The text is found anywhere, ignoring case; ``*`` and ``?`` of an unquoted word are wildcards."""
    if value.form is Form.REGEX:
        return regex(value)
    if value.form is Form.WORD and _has_wildcard(value.text):
        pattern = re.compile(_glob(value.text), re.IGNORECASE | re.DOTALL)
        return lambda text: pattern.search(text) is not None
    needle = value.text.lower()
    return lambda text: needle in text.lower()


def equals(value: Value) -> Text:
    """The whole text, ignoring case; ``*`` and ``?`` of an unquoted word are wildcards."""
    if value.form is Form.REGEX:
        return regex(value)
    if value.form is Form.WORD and _has_wildcard(value.text):
        pattern = re.compile(_glob(value.text), re.IGNORECASE | re.DOTALL)
        return lambda text: pattern.fullmatch(text) is not None
    needle = value.text.lower()
    return lambda text: text.lower() == needle


def literal(value: Value) -> str:
    """What a text must hold for :func:`contains` or :func:`equals` to find it; "" where no single text is that."""
    is_pattern = value.form is Form.REGEX or (value.form is Form.WORD and _has_wildcard(value.text))
    return "" if is_pattern else value.text


def path(field: str) -> Text:
    """A field's path (``user.name``, ``items.*.sku``): its last names are enough, indices may be left out.

    ``user_name`` and ``userName`` are the same name.
    """
    steps = [re.compile(_glob(step), re.IGNORECASE) for step in field.replace("_", "").split(".")]

    @functools.lru_cache(_MOST_PATHS)
    def found(text: str) -> bool:
        names = text.replace("_", "").split(".")
        return any(_ends(names, steps) for names in (names, [name for name in names if not name.isdigit()]))

    return found


def _ends(names: list[str], steps: list[re.Pattern[str]]) -> bool:
    if len(steps) > len(names):
        return False
    tail = names[len(names) - len(steps) :]
    return all(step.fullmatch(name) for step, name in zip(steps, tail, strict=True))


def _has_wildcard(text: str) -> bool:
    return "*" in text or "?" in text


def _glob(text: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in text)
