"""Paths that a comparison leaves out: what is written, and where it applies. Pure.

Paths name fields of a message (``items[2].price``), by their names in the ``.proto`` file or in JSON. A path may leave
indices out (``items.price`` and ``items[*].price`` mean every item), use ``*`` for one name and ``**`` for any number
of them, and takes in all below what it names. It speaks of request and response messages; a place narrows it or
leads elsewhere: ``response:order.id``, ``request:…``, ``status:message``, ``metadata:date``, ``trailing:…``.
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
_FREE = frozenset({"google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue"})

Step = str | int


class PathError(LoomError):
    """A path that cannot be read; ``column`` counts from 1."""

    def __init__(self, message: str, text: str, column: int) -> None:
        super().__init__(message)
        self.text = text
        self.column = column


class Name(str):
    """A field's name in JSON, with its name in the ``.proto`` file where that is known."""

    __slots__ = ("proto",)
    proto: str | None

    def __new__(cls, json: str, proto: str | None = None) -> Self:
        made = super().__new__(cls, json)
        made.proto = proto
        return made


@dataclass(frozen=True)
class Names:
    """What the keys of a JSON value are.

    They are fields of ``message``, or ``free`` (those of a map of such messages, or of a Struct), or nobody knows.
    """

    message: Descriptor | None = None
    free: bool = False

    def below(self, key: Step) -> "tuple[Step, Names]":
        """The key as a step, and the names below it."""
        if isinstance(key, int):
            return key, self
        if self.free:
            return key, self if self.message is None else Names(self.message)
        if self.message is None:
            return Name(key), self
        field = self._fields.get(key)
        if field is None:
            return Name(key), Names()  # an extension, or what an Any holds
        inner = field.message_type
        if is_map(field):
            inner = field.message_type.fields_by_name["value"].message_type  # type: ignore[union-attr]
        free = is_map(field) or (inner is not None and inner.full_name in _FREE)
        return Name(key, field.name), Names(
            None if inner is None or inner.full_name in _FREE else inner, free
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
    """Which places are not compared. Each text is a path or several with commas between them."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._paths = [path for text in texts for path in _read(text)]
        self._met: set[_Path] = set()

    def within(self, place: str) -> "Remaining":
        """The paths that lead into a place."""
        return Remaining([(path, path.steps) for path in self._paths if place in path.places], self._met)

    def unmatched_paths(self) -> list[str]:
        """The paths that named nothing in all that was compared."""
        return [path.text for path in self._paths if path not in self._met]


class Remaining:
    """What is left of the paths some way down a value."""

    def __init__(self, rest: Iterable[tuple[_Path, tuple[Step, ...]]], met: set[_Path]) -> None:
        self._rest = [(path, left) for path, steps in rest for left in _entered(steps)]
        self._met = met

    def covers(self) -> bool:
        """Whether what is here is left out, itself or by what holds it."""
        ended = [path for path, steps in self._rest if not steps]
        self._met.update(ended)
        return bool(ended)

    def below(self, key: Step, names: Names) -> "tuple[Remaining, Names]":
        """The same for what a key of the value, or an index, holds."""
        if not self._rest:
            return self, names
        step, inner = names.below(key)
        rest = ((path, left) for path, steps in self._rest for left in _after(steps, step))
        return Remaining(rest, self._met), inner

    def look(self, value: Any, names: Names) -> None:
        """Take note of the paths that name something in a value that need not be compared."""
        if self.covers() or all(path in self._met for path, _ in self._rest):
            return
        if isinstance(value, dict):
            pairs: Iterable[tuple[Step, Any]] = value.items()
        elif isinstance(value, list):
            pairs = enumerate(value)
        else:
            return
        for key, item in pairs:
            below, inner = self.below(key, names)
            below.look(item, inner)


def _entered(steps: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    """``**`` stands for no name, too."""
    yield steps
    while steps and steps[0] == "**":
        steps = steps[1:]
        yield steps


def _after(steps: tuple[Step, ...], step: Step) -> Iterator[tuple[Step, ...]]:
    """What is left of a path below one step; indices that it leaves out are passed over."""
    if not steps:
        return
    first = steps[0]
    if first == "**":
        yield steps
        return
    if first == "*" or _is(first, step):
        yield steps[1:]
    if isinstance(step, int) and (first == "*" or not (isinstance(first, int) or first == str(step))):
        yield steps


def _is(wanted: Step, step: Step) -> bool:
    if wanted == step or (isinstance(step, int) and str(step) == wanted):
        return True
    if not isinstance(step, Name) or isinstance(wanted, int):
        return False
    return wanted == step.proto or (step.proto is None and _json_name(wanted) == step)


def _json_name(proto: str) -> str:
    """The JSON name that protoc gives a field that says nothing else."""
    return re.sub(r"_+([^_]?)", lambda match: match[1].upper(), proto)


def _read(text: str) -> Iterator[_Path]:
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
                raise PathError(f"there is no place {place[1]!r}: write {_listed()}", text, start + 1)
            places, position = (place[1],), place.end()
        steps, position = _steps(text, position)
        yield _Path(text[start:position], places, steps)


def _listed() -> str:
    return f"{', '.join(_PLACES[:-1])} or {_PLACES[-1]}"


def _steps(text: str, position: int) -> tuple[tuple[Step, ...], int]:
    """The steps from a position on, and where they end: at a comma, or with the text."""
    steps: list[Step] = []
    wants_name = False  # after a dot
    while not (_END.match(text, position) and not wants_name):
        match = _TOKEN.match(text, position)
        kind = match.lastgroup if match else ""
        if match is None or (wants_name and kind != "name") or (kind == "name" and steps and not wants_name):
            raise _unreadable(text, position, wants_name=wants_name)
        if kind == "dot" and not steps:
            raise _unreadable(text, position, wants_name=True)
        wants_name = kind == "dot"
        if kind == "index":
            steps.append("*" if match["index"] == "*" else int(match["index"]))
        elif kind == "key":
            steps.append(re.sub(r"\\(.)", r"\1", match["key"][1:-1]))
        elif kind == "name":
            steps.append(match["name"])
        position = match.end()
    return tuple(steps), position


def _unreadable(text: str, position: int, *, wants_name: bool) -> PathError:
    if wants_name:
        told = "a name is missing here"
    elif text[position] == "[":
        told = 'write [0], [*] or ["key"]'
    elif text[position] == "*":
        told = "* stands for a whole name, ** for any number of them"
    else:
        told = f'{text[position]!r} cannot stand here: write a name that holds it as ["name"]'
    return PathError(told, text, position + 1)


def parse_path(text: str) -> tuple[Step, ...]:
    """``a.b[0]["k.l"]`` as steps; ``[*]`` and ``*`` are the step ``*``. :class:`PathError` for what is no path."""
    steps, end = _steps(text, 0)
    if end < len(text):
        raise _unreadable(text, end, wants_name=False)
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
