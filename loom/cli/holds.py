"""Held items in the terminal: how they are shown, and what a key makes of one."""

import json
import time
from typing import Any

from loom.api.holds import Continuation, Hold, HoldAction, HoldDetail
from loom.errors import LoomError
from loom.units import format_duration

from .keyboard import Keyboard
from .output import Output

HELP = {
    "s": "send",
    "e": "edit and send",
    "f": "set a field",
    "d": "drop",
    "u": "duplicate",
    "i": "insert before",
    "o": "insert after",
    "a": "answer with a status",
    "c": "cancel the call",
    "p": "step: send, and hold the call's next item",
    "r": "run: send, and hold the call no more",
    "R": "resume all",
    "n": "next item",
    "q": "quit: remove the breakpoint, and send what it holds",
}

PROMPT = "[s]end [e]dit [d]rop [a]nswer ste[p] [r]un [?]more"

_ACTIONS = {"d": HoldAction.DROP, "u": HoldAction.DUPLICATE, "c": HoldAction.CANCEL}
_CONTINUATIONS = {"s": Continuation.STAY, "p": Continuation.STEP, "r": Continuation.RUN}
_INSERTIONS = {"i": HoldAction.INSERT_BEFORE, "o": HoldAction.INSERT_AFTER}


def write_hold(hold: HoldDetail, output: Output) -> None:
    """Show one held item."""
    palette = output.palette
    number = f" {hold.index}" if hold.message is not None else ""
    call = f"#{hold.call_id} " if hold.call_id else ""
    marks = "".join(
        f" {palette.warning(mark)}"
        for mark, holds in (("edited", hold.edited), ("the call is over", hold.over))
        if holds
    )
    output.line(f"{palette.bold(f'{call}{hold.method}')} {hold.point}{number}{marks}")
    output.line(palette.dim(f"  {describe_time(hold, time.time_ns() // 1000)}"))
    for line in content_of(hold).splitlines():
        output.line(f"  {line}")


def describe_time(hold: Hold, now_us: int) -> str:
    """By what it is held, from whom, and until when."""
    parts = [f"held by {', '.join(hold.names)}", f"from {hold.peer}"]
    if hold.over:
        return ", ".join(parts)
    if hold.deadline_us is not None:
        parts.append(f"deadline in {format_duration(max(hold.deadline_us - now_us, 0) * 1000)}")
    if hold.release_us is not None:
        parts.append(
            f"sent automatically in {format_duration(max(hold.release_us - now_us, 0) * 1000)}, {hold.release_reason}"
        )
    return ", ".join(parts)


def content_of(hold: HoldDetail) -> str:
    """What a person edits: the JSON of a message, or the parts of another item."""
    message = hold.message
    if message is not None:
        if message.json_text is not None:
            return message.json_text
        return f"{message.preview or message.error or message.schema_error or ''}\n{message.hex}".strip()
    parts: dict[str, Any] = {}
    if hold.status is not None:
        parts["status"] = {"code": hold.status.name, "message": hold.status.message}
    if hold.metadata is not None:
        parts["metadata"] = [{"key": item.key, "value": item.value} for item in hold.metadata]
    if hold.point == "start":
        parts["deadline_ms"] = hold.deadline_ms or 0
    return json.dumps(parts, indent=2, ensure_ascii=False) if parts else ""


def edit_body(hold: HoldDetail, text: str) -> dict[str, Any]:
    """The body of a decision with what a person has made of :func:`content_of`. Raises :class:`LoomError`."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise LoomError(f"that is not JSON: {error}") from error
    if hold.message is not None:
        return {"json": value}
    if not isinstance(value, dict):
        raise LoomError("that is not a JSON object")
    return value


def field_edit(text: str) -> dict[str, Any]:
    """A field's edit, of ``PATH=VALUE``: JSON, or else a text; an empty value deletes. Raises :class:`LoomError`."""
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise LoomError(f"{text!r} is not PATH=VALUE, as in items[0].price=5 or 1.3=text")
    if not value.strip():
        return {"path": path.strip(), "delete": True}
    try:
        return {"path": path.strip(), "value": json.loads(value)}
    except ValueError:
        return {"path": path.strip(), "value": value}


async def ask(  # noqa: C901, PLR0911 (one branch for each kind of key)
    key: str, hold: HoldDetail, keyboard: Keyboard, output: Output, draft: str
) -> dict[str, Any]:
    """The body of the decision that a key stands for, with what else it takes; {} for none.

    ``draft`` is the text of an edit before that did not fit; that of this one is returned as ``_draft``. Raises
    :class:`LoomError`, and :class:`DraftError` for an edit that is not valid.
    """
    if key not in HELP:
        for name, text in HELP.items():
            output.line(f"  {name}  {text}")
        return {}
    if key in _ACTIONS:
        return {"action": _ACTIONS[key]}
    if key in _CONTINUATIONS:
        return {"then": _CONTINUATIONS[key]}
    if key == "a":
        output.line("status and message, as in NOT_FOUND no such order:")
        code, _, message = (await keyboard.line()).partition(" ")
        return {"action": HoldAction.ANSWER, "status": {"code": code, "message": message}} if code else {}
    if key == "f":
        output.line("PATH=VALUE, as in items[0].price=5 or 1.3=text; without a value it is deleted:")
        line = await keyboard.line()
        return {"action": HoldAction.EDIT, "fields": [field_edit(line)]} if line else {}
    if key in _INSERTIONS:
        text = await keyboard.edit(draft or "{\n}\n", ".json")
        return {"action": _INSERTIONS[key], **_edited(hold, text)}
    if key == "e":
        if hold.message is not None and hold.message.json_text is None:
            raise LoomError("there is no JSON of it to edit: set fields by their numbers, with f")
        before = content_of(hold)
        if not before:
            raise LoomError(f"there is nothing to edit at {hold.point}")
        text = await keyboard.edit(draft or before, ".json")
        if text.strip() == before.strip():
            output.line("unchanged: it is still held")
            return {}
        return _edited(hold, text)
    return {}


class DraftError(LoomError):
    """An edit is not valid; ``draft`` is its text."""

    def __init__(self, message: str, draft: str) -> None:
        super().__init__(message)
        self.draft = draft


def _edited(hold: HoldDetail, text: str) -> dict[str, Any]:
    try:
        return {**edit_body(hold, text), "_draft": text}
    except LoomError as error:
        raise DraftError(str(error), text) from error
