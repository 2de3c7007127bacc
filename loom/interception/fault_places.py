"""Where a fault is in a call: its key ``at``, and which faults can be where."""

import re
from collections.abc import Mapping

from loom.model.interception import Point

from .amounts import Range, parse_duration, parse_range

_MESSAGES = re.compile(r"(message|request|response)(?:s|s? (\d+(?:\.\.\d*)?))")
_AFTER_MESSAGES = re.compile(r"after (\d+) (requests?|responses?)")
_AFTER_TIME = re.compile(r"after (\d+(?:\.\d+)?(?:us|ms|s|m|h))")
_POINTS = {
    "start": Point.START,
    "request-metadata": Point.REQUEST_METADATA,
    "response-metadata": Point.RESPONSE_METADATA,
    "half-close": Point.HALF_CLOSE,
    "trailers": Point.STATUS,
}
_EVERY_POINT = tuple(_POINTS)

# The forms of a place that are not a point, by the example that stands for each in errors.
_ONE = "response 3"
_MANY = "responses"
_AFTER_RESPONSES = "after 10 responses"
_AFTER_REQUESTS = "after 2 requests"
_LATER = "after 2s"
_FORMS = (*_EVERY_POINT, "request 1", _ONE, "response 3..", _MANY, "requests", _AFTER_RESPONSES, _LATER)
_OF_MESSAGES = (_ONE, _MANY, _LATER)

PLACES: Mapping[str, tuple[str, ...]] = {
    "status": (*_EVERY_POINT, _ONE, _AFTER_RESPONSES, _AFTER_REQUESTS, _LATER),
    "delay": (*_EVERY_POINT, *_OF_MESSAGES),
    "hang": (*_EVERY_POINT, _ONE, _AFTER_RESPONSES, _AFTER_REQUESTS, _LATER),
    "drop": _OF_MESSAGES,
    "duplicate": _OF_MESSAGES,
    "corrupt": _OF_MESSAGES,
    "half-close": ("half-close", _ONE),
    "responses": (),
    "cancel-target": ("response-metadata", "half-close", _ONE, _AFTER_RESPONSES, _LATER),
    "throttle": (_MANY, _LATER),
    "oversize": _OF_MESSAGES,
}
"""What each fault can be at: names of points, and examples of the other forms."""


class Place:
    """A parsed ``at``: points, messages of an index, behind a number of messages, or behind a time.

    ``after`` is the number of messages that go on ahead of it, ``seconds`` the time after the call's start; None where
    they are not what it says. Raises ValueError for a text that is not a place.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.points: frozenset[Point] = frozenset()
        self.index: Range | None = None
        self.after: int | None = None
        self.seconds: float | None = None
        self.form = text
        if not text:
            return
        if text in _POINTS:
            self.points = frozenset({_POINTS[text]})
        elif match := _MESSAGES.fullmatch(text):
            self.index = index = self._messages(match[1], match[2])
            self.form = _ONE if index is not None and index.first == index.last else _MANY
        elif match := _AFTER_MESSAGES.fullmatch(text):
            self.form = _AFTER_REQUESTS if match[2].startswith("request") else _AFTER_RESPONSES
            self.index = self._messages(match[2].removesuffix("s"), match[1])
            self.after = int(match[1])
        elif match := _AFTER_TIME.fullmatch(text):
            self.form = _LATER
            self.seconds = parse_duration(match[1])
        else:
            raise ValueError(f"at: {text!r} is not a place; at is {_quoted(_FORMS)}")

    def _messages(self, direction: str, numbers: str | None) -> Range | None:
        """Take the point of these messages; return their indices, None for all."""
        self.points = frozenset({Point.REQUEST_MESSAGE if direction == "request" else Point.RESPONSE_MESSAGE})
        if numbers is None:
            return None
        counted = parse_range(numbers)
        if counted.first < 1:
            raise ValueError("at: messages are counted from 1")
        return Range(counted.first - 1, None if counted.last is None else counted.last - 1)

    def check(self, fault: str) -> None:
        """Raise ValueError where a fault cannot be here."""
        allowed = PLACES[fault]
        if not self.text or self.form in allowed:
            return
        if not allowed:
            raise ValueError(f"it counts those of the whole call: leave out at, which is {self.text!r}")
        raise ValueError(f"it cannot be at {self.text!r}; it can be at {_quoted(allowed)}, or leave out at")


def _quoted(forms: tuple[str, ...]) -> str:
    *first, last = (f'"{form}"' for form in forms)
    return f"{', '.join(first)} or {last}" if first else last
