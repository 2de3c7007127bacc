"""Paths of fields in a message (``items[2].price``): parse them, print them, and match their steps. No I/O.

A step is a field's name, in the ``.proto`` file or in JSON, a key of a map (``["a.b"]``), or an index (``[0]`` or
``[*]``). ``*`` stands for one name and ``**`` for any number of names, where the path's user allows them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from loom.errors import LoomError

from .compiled_readers import is_map

_TOKEN = re.compile(
    r"\[(?P<index>\d+|\*)\]|\[(?P<key>\"(?:[^\"\\]|\\.)*\")\]|(?P<dot>\.)|(?P<name>\*\*?(?![^.\[,\s])|[^.\[\]\"*:,\s]+)"
)
_END = re.compile(r"\s*(,|$)")
_PLAIN = re.compile(r"[^.\[\]\"*:,\s]+")
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


def step_matches(pattern: Step, step: Step) -> bool:
    if pattern == step or (isinstance(step, int) and str(step) == pattern):
        return True
    if not isinstance(step, FieldName) or isinstance(pattern, int):
        return False
    return pattern == step.proto or (step.proto is None and _json_name(pattern) == step)


def _json_name(proto: str) -> str:
    """The JSON name that protoc gives a field without the option ``json_name``."""
    return re.sub(r"_+([^_]?)", lambda match: match[1].upper(), proto)


def parse_steps(text: str, position: int) -> tuple[tuple[Step, ...], int]:
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
    steps, end = parse_steps(text, 0)
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
