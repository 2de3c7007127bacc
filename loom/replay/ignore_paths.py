"""Ignore paths: parse them, and match them against the values of a comparison. No I/O.

Paths name fields of a message (``items[2].price``), by their names in the ``.proto`` file or in JSON. A path may omit
indices (``items.price`` and ``items[*].price`` match every item), use ``*`` for one name and ``**`` for any number of
names, and includes everything below the field that it names. It applies to request and response messages, or to the
place before a colon: ``response:order.id``, ``request:…``, ``status:message``, ``metadata:date``, ``trailing:…``.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from loom.codec.field_path import FieldNames, PathError, Step, parse_steps, step_matches

_PLACE = re.compile(r"([^.\[\]\"*:,\s]*):")
_MESSAGES = ("request", "response")
_PLACES = (*_MESSAGES, "metadata", "initial", "trailing", "status")


@dataclass(frozen=True, slots=True)
class _Path:
    text: str
    places: tuple[str, ...]
    steps: tuple[Step, ...]


class IgnorePaths:
    """The fields that a comparison ignores. Each text has one path, or several separated by commas."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._paths = [path for text in texts for path in _parse(text)]
        self._matched: set[_Path] = set()

    def within(self, place: str) -> "PathCursor":
        """A cursor over the paths that apply to a place."""
        return PathCursor([(path, path.steps) for path in self._paths if place in path.places], self._matched)

    def unmatched_paths(self) -> list[str]:
        """The paths that have matched nothing in any comparison so far."""
        return [path.text for path in self._paths if path not in self._matched]


class PathCursor:
    """A position in a value, with the rest of each path that may match from here on."""

    def __init__(self, paths: Iterable[tuple[_Path, tuple[Step, ...]]], matched: set[_Path]) -> None:
        self._rest = [(path, rest) for path, steps in paths for rest in _skip_double_stars(steps)]
        self._matched = matched

    def is_ignored(self) -> bool:
        """Whether a path ends here, so that this value and everything below it is ignored."""
        complete = [path for path, steps in self._rest if not steps]
        self._matched.update(complete)
        return bool(complete)

    def descend(self, key: Step, names: FieldNames) -> "tuple[PathCursor, FieldNames]":
        """The cursor and the names one level below, at a key or an index."""
        if not self._rest:
            return self, names
        step, inner = names.descend(key)
        rest = ((path, rest) for path, steps in self._rest for rest in _advance(steps, step))
        return PathCursor(rest, self._matched), inner

    def mark_matched(self, value: Any, names: FieldNames) -> None:
        """Mark the paths that match something in a value that is not compared further, as both sides are equal."""
        if self.is_ignored() or all(path in self._matched for path, _ in self._rest):
            return
        if isinstance(value, dict):
            pairs: Iterable[tuple[Step, Any]] = value.items()
        elif isinstance(value, list):
            pairs = enumerate(value)
        else:
            return
        for key, item in pairs:
            cursor, inner = self.descend(key, names)
            cursor.mark_matched(item, inner)


def _skip_double_stars(steps: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    """The steps, and the steps without their leading ``**``, which may stand for no name."""
    yield steps
    while steps and steps[0] == "**":
        steps = steps[1:]
        yield steps


def _advance(steps: tuple[Step, ...], step: Step) -> Iterator[tuple[Step, ...]]:
    """The rests of a path after one step of the value; indices that the path omits are skipped."""
    if not steps:
        return
    first = steps[0]
    if first == "**":
        yield steps
        return
    if first == "*" or step_matches(first, step):
        yield steps[1:]
    if isinstance(step, int) and (first == "*" or not (isinstance(first, int) or first == str(step))):
        yield steps


def _parse(text: str) -> Iterator[_Path]:
    position = 0
    while position < len(text):
        if text[position].isspace() or text[position] == ",":
            position += 1
            continue
        start = position
        places: tuple[str, ...] = _MESSAGES
        place = _PLACE.match(text, start)
        if place is not None:
            if place[1] not in _PLACES:
                raise PathError(f"{place[1]!r} is not a place: write {_place_names()}", text, start + 1)
            places, position = (place[1],), place.end()
        steps, position = parse_steps(text, position)
        yield _Path(text[start:position], places, steps)


def _place_names() -> str:
    return f"{', '.join(_PLACES[:-1])} or {_PLACES[-1]}"
