"""The actions of rules, compiled from their tables, with a check of where each can be."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import regex
from google.protobuf.descriptor import Descriptor
from msgspec import UNSET

from loom.codec import EncodeError, TypeResolver, encode
from loom.codec.field_path import Step, parse_path
from loom.model import StatusCode
from loom.model.interception import MessageItem, Point

from . import actions as act
from .amounts import parse_delay, parse_duration
from .errors import EditError
from .field_operations import (
    MAX_PATTERN,
    AppendValue,
    DeleteValue,
    Operation,
    RedactValue,
    ReplaceText,
    SetValue,
)
from .final_status import check_key, make_final, make_metadata, own_details
from .message_edit import Edit, edit_message, merge_message
from .rule_file import ActionTable

MAX_COPIES = 1000

_PARAMETERS = {
    "set": ("to",),
    "append": ("value",),
    "replace": ("regex", "with"),
    "status": ("message", "details", "trailers"),
}
_REQUIRED = frozenset({"to", "value", "regex", "with"})
_VERBS = (
    "set",
    "delete",
    "append",
    "replace",
    "merge",
    "message",
    "metadata",
    "status",
    "deadline",
    "drop",
    "duplicate",
    "insert-before",
    "insert-after",
    "half-close",
    "delay",
    "hold",
    "tag",
    "redact",
)


def compile_action(table: ActionTable, points: frozenset[Point], base: Path | None) -> act.ItemAction:
    """Compile one action at ``points``, or at those of its kind; raises ValueError and :class:`EditError`.

    ``@file`` is relative to ``base``; without one it is an error.
    """
    arguments = {name: value for name, value in _items(table) if value is not UNSET}
    verbs = [
        name for name in _VERBS if name in arguments and not (name == "message" and "status" in arguments)
    ]
    if len(verbs) != 1:
        what = f"has {' and '.join(verbs)}" if verbs else "has none"
        raise ValueError(f"an action has one of {', '.join(_VERBS)}; this one {what}")
    [verb] = verbs
    parameters = _PARAMETERS.get(verb, ())
    for name in arguments:
        if name != verb and name not in parameters:
            raise ValueError(f"{name} does not belong to {verb}")
    for name in parameters:
        if name in _REQUIRED and name not in arguments:
            raise ValueError(f"{verb} needs {name}")
    allowed, default, make = _COMPILERS[verb]
    impossible = points - allowed
    if impossible:
        raise ValueError(
            f"{verb} is impossible at {' and '.join(sorted(impossible))}; it can be at {', '.join(sorted(allowed))}"
        )
    action_points = points or default
    if not action_points:
        raise ValueError(f"{verb}: give when.point: {' or '.join(sorted(allowed))}")
    return make(arguments, action_points, base)


def _items(table: ActionTable) -> list[tuple[str, Any]]:
    return [
        (name, getattr(table, attribute))
        for name, attribute in zip(table.__struct_encode_fields__, table.__struct_fields__, strict=True)
    ]


Arguments = dict[str, Any]
Compiler = Callable[[Arguments, frozenset[Point], Path | None], act.ItemAction]


def field_edit(path_text: str, operation: Operation) -> tuple[Edit, bool]:
    """An edit at a path, and whether it needs the schema."""
    path = parse_path(path_text)
    _check_path(path)
    by_number = all(isinstance(step, int) or step.isdigit() or step == "*" for step in path)

    def edit(data: bytes, descriptor: Descriptor | None, resolver: TypeResolver) -> bytes:
        return edit_message(data, path, operation, None if by_number else descriptor, resolver)

    return edit, not by_number


def _check_path(path: tuple[Step, ...]) -> None:
    if not path:
        raise ValueError("the path is empty: name a field")
    if isinstance(path[0], int):
        raise EditError("a path begins with the name of a field, not with an index")
    if path[-1] == "**":
        raise ValueError("a path ends with a field: write *, or a name after **")


def _set(arguments: Arguments, points: frozenset[Point], _: Path | None) -> act.ItemAction:
    edit, needs_schema = field_edit(arguments["set"], SetValue(arguments["to"]))
    return act.EditItems(points, f"set {arguments['set']}", act.edit_messages(edit), needs_schema)


def _delete(arguments: Arguments, points: frozenset[Point], _: Path | None) -> act.ItemAction:
    edit, needs_schema = field_edit(arguments["delete"], DeleteValue())
    return act.EditItems(points, f"delete {arguments['delete']}", act.edit_messages(edit), needs_schema)


def _append(arguments: Arguments, points: frozenset[Point], _: Path | None) -> act.ItemAction:
    edit, needs_schema = field_edit(arguments["append"], AppendValue(arguments["value"]))
    return act.EditItems(points, f"append to {arguments['append']}", act.edit_messages(edit), needs_schema)


def _replace(arguments: Arguments, points: frozenset[Point], _: Path | None) -> act.ItemAction:
    pattern = arguments["regex"]
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"regex: it has more than {MAX_PATTERN} characters")
    try:
        compiled = regex.compile(pattern)
        compiled.sub(arguments["with"], "")  # a replacement is checked where it is used
        regex.compile(f"(?:{pattern})|").sub(arguments["with"], "")
    except (regex.error, IndexError, OverflowError) as error:
        raise ValueError(f"regex: {error}") from error
    edit, needs_schema = field_edit(arguments["replace"], ReplaceText(compiled, arguments["with"]))
    return act.EditItems(points, f"replace in {arguments['replace']}", act.edit_messages(edit), needs_schema)


def _merge(arguments: Arguments, points: frozenset[Point], _: Path | None) -> act.ItemAction:
    patch = arguments["merge"]

    def edit(data: bytes, descriptor: Descriptor | None, resolver: TypeResolver) -> bytes:
        if descriptor is None:
            raise EditError("a merge needs the schema of the message")
        return merge_message(data, patch, descriptor, resolver)

    return act.EditItems(points, f"merge {', '.join(patch)}", act.edit_messages(edit), with_schema=True)


def _message(arguments: Arguments, points: frozenset[Point], base: Path | None) -> act.ItemAction:
    make, needs_schema = _message_maker(arguments["message"], base)

    def replace(items: list[Any], context: act.ItemContext) -> list[Any]:
        message = MessageItem(make(context))
        return [message if isinstance(item, MessageItem) else item for item in items]

    return act.EditItems(points, "replace the message", replace, needs_schema)


def _message_maker(value: Any, base: Path | None) -> tuple[Callable[[act.ItemContext], bytes], bool]:
    """A function that makes a message from a JSON value or a file, and whether it needs the schema."""
    if isinstance(value, str) and value.startswith("@"):
        path, content = _read_message(value[1:], base)
        if path.suffix != ".json":
            return (lambda _context: content), False
        try:
            value = json.loads(content)
        except ValueError as error:
            raise ValueError(f"{path}: not valid JSON: {error}") from error

    def make(context: act.ItemContext) -> bytes:
        if context.descriptor is None:
            raise EditError("a message given as JSON needs the schema")
        try:
            return encode(value, context.descriptor, context.resolver)
        except EncodeError as error:
            raise EditError(str(error)) from error

    return make, True


def _metadata(arguments: Arguments, points: frozenset[Point], _: Path | None) -> act.ItemAction:
    table = arguments["metadata"]
    change = act.MetadataChange(
        make_metadata(table.set), make_metadata(table.add), frozenset(map(check_key, table.delete))
    )
    if change == act.MetadataChange():
        raise ValueError("metadata: it changes nothing: give set, add or delete")
    parts = [
        f"{verb} {', '.join(sorted(keys))}"
        for verb, keys in (("set", table.set), ("add", table.add), ("delete", table.delete))
        if keys
    ]
    return act.EditItems(points, f"metadata {'; '.join(parts)}", act.edit_metadata(change))


def _status(arguments: Arguments, points: frozenset[Point], _: Path | None) -> act.ItemAction:
    final = make_final(
        arguments["status"],
        arguments.get("message", ""),
        arguments.get("details", ()),
        arguments.get("trailers", {}),
    )
    effect = f"status {final.status.name}"
    own = own_details(arguments.get("details", ()))
    if points == {Point.STATUS}:
        return act.EditItems(points, effect, act.replace_status(final, own), bool(own))
    if Point.STATUS in points:
        raise ValueError("status at the target's own status is an edit: give it a rule of its own")
    if final.status.code == StatusCode.OK:
        raise ValueError(
            'an abort with OK leaves clients without an answer: use when.point = "status", or a mock'
        )
    return act.EndCall(points, effect, final, details=own)


def _deadline(arguments: Arguments, points: frozenset[Point], _: Path | None) -> act.ItemAction:
    text = arguments["deadline"]
    timeout = None if text == "none" else parse_duration(text)
    return act.EditItems(points, f"deadline {text}", act.set_timeout(timeout))


def _drop(_arguments: Arguments, points: frozenset[Point], _: Path | None) -> act.ItemAction:
    return act.EditItems(points, "drop", act.drop_items)


def _duplicate(arguments: Arguments, points: frozenset[Point], _: Path | None) -> act.ItemAction:
    count = arguments["duplicate"]
    if not 2 <= count <= MAX_COPIES:  # noqa: PLR2004 (two are the first duplicate)
        raise ValueError(f"duplicate: {count} is not from 2 to {MAX_COPIES}")
    return act.EditItems(points, f"send {count} times", act.copy_messages(count))


def _read_message(name: str, base: Path | None) -> tuple[Path, bytes]:
    """A file and its content; raises ValueError."""
    if base is None:
        raise ValueError("a file can only be named in a file of rules: give the message itself")
    path = base / name
    if not path.resolve().is_relative_to(base.resolve()):
        # The rules may be someone else's, and the target too: they must not send this machine's files.
        raise ValueError(f"{name}: it is outside the folder of the rules")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > act.MAX_MESSAGE:
        raise ValueError(f"{path}: a message has at most {act.MAX_MESSAGE:,} bytes")
    return path, content


def _insert(arguments: Arguments, points: frozenset[Point], base: Path | None) -> act.ItemAction:
    after = "insert-after" in arguments
    verb = "insert-after" if after else "insert-before"
    make, needs_schema = _message_maker(arguments[verb], base)
    return act.EditItems(
        points, verb.replace("-", " a message "), act.insert_message(make, after=after), needs_schema
    )


def _half_close(_arguments: Arguments, points: frozenset[Point], _: Path | None) -> act.ItemAction:
    return act.EditItems(points, "half-close", act.half_close)


def _delay(arguments: Arguments, points: frozenset[Point], _: Path | None) -> act.ItemAction:
    shortest, longest = parse_delay(arguments["delay"])
    return act.DelayItem(points, f"delay {arguments['delay']}", shortest, longest)


def _hold(_arguments: Arguments, points: frozenset[Point], _: Path | None) -> act.ItemAction:
    return act.HoldItem(points, "hold")


def _tag(arguments: Arguments, points: frozenset[Point], _: Path | None) -> act.ItemAction:
    return act.NoteItem(points, f"tag {arguments['tag']}")


def _redact(arguments: Arguments, points: frozenset[Point], _: Path | None) -> act.ItemAction:
    edit, needs_schema = field_edit(arguments["redact"], RedactValue())
    return act.EditItems(points, f"redact {arguments['redact']}", act.redact_messages(edit), needs_schema)


_NOWHERE = frozenset[Point]()
_START = frozenset({Point.START})
_BEFORE_STATUS = act.ALL_POINTS  # status is an edit at its own point, and an end at all others

_COMPILERS: dict[str, tuple[frozenset[Point], frozenset[Point], Compiler]] = {
    # verb: where it can be, where it is without when.point (nowhere: that must be given), and how it is made
    "set": (act.MESSAGE_POINTS, _NOWHERE, _set),
    "delete": (act.MESSAGE_POINTS, _NOWHERE, _delete),
    "append": (act.MESSAGE_POINTS, _NOWHERE, _append),
    "replace": (act.MESSAGE_POINTS, _NOWHERE, _replace),
    "merge": (act.MESSAGE_POINTS, _NOWHERE, _merge),
    "message": (act.MESSAGE_POINTS, _NOWHERE, _message),
    "metadata": (act.METADATA_POINTS, frozenset({Point.REQUEST_METADATA}), _metadata),
    "status": (_BEFORE_STATUS, _START, _status),
    "deadline": (_START, _START, _deadline),
    "drop": (act.MESSAGE_POINTS | {Point.HALF_CLOSE}, _NOWHERE, _drop),
    "duplicate": (act.MESSAGE_POINTS, _NOWHERE, _duplicate),
    "insert-before": (act.MESSAGE_POINTS | {Point.HALF_CLOSE, Point.STATUS}, _NOWHERE, _insert),
    "insert-after": (act.MESSAGE_POINTS, _NOWHERE, _insert),
    "half-close": (frozenset({Point.REQUEST_MESSAGE}), frozenset({Point.REQUEST_MESSAGE}), _half_close),
    "delay": (act.ALL_POINTS, _START, _delay),
    "hold": (act.ALL_POINTS, _START, _hold),
    "tag": (act.ALL_POINTS, _START, _tag),
    "redact": (act.MESSAGE_POINTS, act.MESSAGE_POINTS, _redact),
}
