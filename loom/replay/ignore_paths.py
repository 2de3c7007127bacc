"""Ignore paths: parse them, and match them against the values of a comparison. No I/O.

Paths name fields of a message (``items[2].price``), by their names in the ``.proto`` file or in JSON. A path may omit
indices (``items.price`` and ``items[*].price`` match every item), use ``*`` for one name and ``**`` for any number of
names, and includes everything below the field that it names. It applies to request and response messages, or to the
place before a colon: ``response:order.id``, ``request:…``, ``status:message``, ``metadata:date``, ``trailing:…``.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from loom.codec.compiled_readers import is_map
from loom.errors import LoomError

_TOKEN = re.compile(
    r"\[(?P<index>\d+|\*)\]|\[(?P<key>\"(?:[^\"\\]|\\.)*\")\]|(?P<dot>\.)|(?P<name>\*\*?(?![^.\[,\s])|[^.\[\]\"*:,\s]+)"
)
_PLACE = re.compile(r"([^.\[\]\"*:,\s]*):")
_END = re.compile(r"\s*(,|$)")
_PLAIN = re.compile(r"[^.\[\]\"*:,\s]+")
_MESSAGES = ("request", "response")
_PLACES = (*_MESSAGES, "metadata", "initial", "trailing", "status")
_STRUCT_TYPES = frozenset({"google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue"})

Step = str | int


class PathError(LoomError):
    """A syntax error in a path; ``column`` counts from 1."""

    def __init__(self, message: str, text: str, column: int) -> None:
        super().__init__(message)
        self.text = text
        self.column = column


class FieldName(str):
    """A field's JSON name, with its proto name if that is known."""

    __slots__ = ("proto",)
    proto: str | None

    def __new__(cls, json: str, proto: str | None = None) -> Self:
        name = super().__new__(cls, json)
        name.proto = proto
        return name


@dataclass(frozen=True)
class FieldNames:
    """What the keys of a JSON object are: fields of ``message``, keys of a map or Struct (``is_map``), or unknown.

    With ``is_map``, ``message`` is the type of the map's values.
    """

    message: Descriptor | None = None
    is_map: bool = False

    def descend(self, key: Step) -> "tuple[Step, FieldNames]":
        """The step for a key, and the names one level below."""
        if isinstance(key, int):
            return key, self
        if self.is_map:
            return key, self if self.message is None else FieldNames(self.message)
        if self.message is None:
            return FieldName(key), self
        field = self._fields.get(key)
        if field is None:
            return FieldName(key), FieldNames()  # an extension, or what an Any holds
        inner = field.message_type
        if is_map(field):
            inner = field.message_type.fields_by_name["value"].message_type  # type: ignore[union-attr]
        is_struct = inner is not None and inner.full_name in _STRUCT_TYPES
        return FieldName(key, field.name), FieldNames(
            None if is_struct else inner, is_map=is_struct or is_map(field)
        )

    @cached_property
    def _fields(self) -> dict[str, FieldDescriptor]:
        return {field.json_name: field for field in (self.message.fields if self.message else ())}


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
    if first == "*" or _matches(first, step):
        yield steps[1:]
    if isinstance(step, int) and (first == "*" or not (isinstance(first, int) or first == str(step))):
        yield steps


def _matches(pattern: Step, step: Step) -> bool:
    if pattern == step or (isinstance(step, int) and str(step) == pattern):
        return True
    if not isinstance(step, FieldName) or isinstance(pattern, int):
        return False
    return pattern == step.proto or (step.proto is None and _json_name(pattern) == step)


def _json_name(proto: str) -> str:
    """The JSON name that protoc gives a field without the option ``json_name``."""
    return re.sub(r"_+([^_]?)", lambda match: match[1].upper(), proto)


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
        steps, position = _parse_steps(text, position)
        yield _Path(text[start:position], places, steps)


def _place_names() -> str:
    return f"{', '.join(_PLACES[:-1])} or {_PLACES[-1]}"


def _parse_steps(text: str, position: int) -> tuple[tuple[Step, ...], int]:
    """The steps from a position on, and the position after them: at a comma, or at the end of the text."""
    steps: list[Step] = []
    wants_name = False  # after a dot
    while not (_END.match(text, position) and not wants_name):
        match = _TOKEN.match(text, position)
        kind = match.lastgroup if match else ""
        if match is None or (wants_name and kind != "name") or (kind == "name" and steps and not wants_name):
            raise _syntax_error(text, position, wants_name=wants_name)
        if kind == "dot" and not steps:
            raise _syntax_error(text, position, wants_name=True)
        wants_name = kind == "dot"
        if kind == "index":
            steps.append("*" if match["index"] == "*" else int(match["index"]))
        elif kind == "key":
            steps.append(re.sub(r"\\(.)", r"\1", match["key"][1:-1]))
        elif kind == "name":
            steps.append(match["name"])
        position = match.end()
    return tuple(steps), position


def _syntax_error(text: str, position: int, *, wants_name: bool) -> PathError:
    if wants_name:
        message = "a name is missing here"
    elif text[position] == "[":
        message = 'write [0], [*] or ["key"]'
    elif text[position] == "*":
        message = "* stands for a whole name, ** for any number of them"
    else:
        message = f'{text[position]!r} is not allowed here: write a name that contains it as ["name"]'
    return PathError(message, text, position + 1)


def parse_path(text: str) -> tuple[Step, ...]:
    """``a.b[0]["k.l"]`` as steps; ``[*]`` and ``*`` are the step ``*``. Raises :class:`PathError`."""
    steps, end = _parse_steps(text, 0)
    if end < len(text):
        raise _syntax_error(text, end, wants_name=False)
    return steps


def path_text(steps: Sequence[Step]) -> str:
    """Steps as a path that :func:`parse_path` reads back."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN.fullmatch(step):
            text += f".{step}" if text else step
        else:
            quoted = step.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{quoted}"]'
    return text
