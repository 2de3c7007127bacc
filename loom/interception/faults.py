"""Faults, compiled to rules: a ``[[fault]]`` table, or ``--fault 'MATCH :: status=UNAVAILABLE; at=message 3'``."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec import UNSET

from loom.model import StatusCode
from loom.model.interception import ActionKind, Point

from . import actions as act
from .amounts import Range, parse_delay, parse_duration, parse_rate, parse_size
from .errors import RuleFileError
from .final_status import make_final, own_details
from .matching import parse_match
from .rule_actions import MAX_COPIES
from .rule_file import FaultTable, convert_rules
from .rules import Rule, checked, parse_selection, rule_name

_AT_MESSAGE = re.compile(r"(message|request|response) (\d+)")
_AT_AFTER_MESSAGES = re.compile(r"after (\d+) (requests?|responses?)")
_AT_AFTER_TIME = re.compile(r"after (\d+(?:\.\d+)?(?:us|ms|s|m|h))")
_AT_POINTS = {
    "start": Point.START,
    "request-metadata": Point.REQUEST_METADATA,
    "response-metadata": Point.RESPONSE_METADATA,
    "half-close": Point.HALF_CLOSE,
    "trailers": Point.STATUS,
}
_AT_HINT = (
    'at is "start", "request-metadata", "response-metadata", "request 1", "response 3" (or "message 3"), '
    '"after 10 responses", "after 2s", "half-close" or "trailers"'
)
_SEPARATOR = "::"
_NEEDS_MESSAGE = frozenset({"drop", "duplicate", "corrupt", "oversize"})
_MAX_RESPONSES = 1000
_START = frozenset({Point.START})
_RESPONSES = frozenset({Point.RESPONSE_MESSAGE})


class _At:
    """Where a fault is: at points, at messages of an index, after an item, or after a time."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.points: frozenset[Point] = frozenset()
        self.index: Range | None = None
        self.after = False
        self.seconds: float | None = None
        if not text:
            return
        if text in _AT_POINTS:
            self.points = frozenset({_AT_POINTS[text]})
        elif match := _AT_MESSAGE.fullmatch(text):
            self._message("request" if match[1] == "request" else "response", int(match[2]))
        elif match := _AT_AFTER_MESSAGES.fullmatch(text):
            self._message(match[2].removesuffix("s"), int(match[1]))
            self.after = True
        elif match := _AT_AFTER_TIME.fullmatch(text):
            self.seconds = parse_duration(match[1])
        else:
            raise ValueError(f"at: {text!r} is not a place; {_AT_HINT}")

    def _message(self, direction: str, number: int) -> None:
        if number < 1:
            raise ValueError("at: messages are counted from 1")
        self.points = frozenset({Point.REQUEST_MESSAGE if direction == "request" else Point.RESPONSE_MESSAGE})
        self.index = Range(number - 1, number - 1)


def compile_fault(table: FaultTable, number: int) -> Rule:
    """Compile a ``[[fault]]``; raises :class:`RuleFileError`, without the file's name."""
    name = rule_name(table, "fault", number)
    where = f"fault {name!r}"
    at = checked(where, lambda: _At(table.at), "at")
    verbs = [what for what in _COMPILERS if _has(table, what)]
    checked(where, lambda: _check_parameters(table, verbs))
    actions = tuple(checked(f"{where}: {verb}", partial(_compile, verb, table, at), verb) for verb in verbs)
    timer = None
    if at.seconds is not None:
        if verbs != ["status"]:
            raise RuleFileError(f"{where}: at {at.text!r} is for status alone", "at")
        [end] = actions
        assert isinstance(end, act.EndCall)  # noqa: S101 (status is one)
        timer, actions = (at.seconds, end.final), ()
    return Rule(
        ActionKind.FAULT,
        name,
        checked(f"{where}: match", lambda: parse_match(table.match), "match"),
        checked(where, lambda: parse_selection(table)),
        actions,
        at.index,
        enabled=table.enabled,
        timer=timer,
        table=table,
    )


def parse_fault_flag(text: str, number: int) -> Rule:
    """Compile ``MATCH :: KEY=VALUE; …``, with the keys of a ``[[fault]]``; raises :class:`RuleFileError`."""
    origin = f"--fault {text!r}"
    table = {"name": f"--fault {number}", **fault_table(text)}
    try:
        [fault] = convert_rules({"fault": [table]}, origin).fault
        return compile_fault(fault, number)
    except RuleFileError as error:
        raise (error if str(error).startswith(origin) else error.within(origin)) from error


def fault_table(text: str, flag: str = "--fault ") -> dict[str, Any]:
    """The table of a ``[[fault]]`` that ``MATCH :: KEY=VALUE; …`` stands for, not yet checked.

    Raises :class:`RuleFileError`.
    """
    match, separator, what = text.partition(_SEPARATOR)
    if not separator:
        raise RuleFileError(
            f"{flag}{text!r}: write a filter, '::' and what happens, as in 'method:GetOrder :: status=UNAVAILABLE'"
        )
    table: dict[str, Any] = {"match": match.strip()}
    for part in what.split(";"):
        key, equals, value = part.partition("=")
        key = key.strip()
        if not key:
            continue
        table[key] = _flag_value(key, value.strip()) if equals else True
    return table


def _flag_value(key: str, value: str) -> Any:
    if key == "trailers":
        name, _, content = value.partition(":")
        return {name.strip(): content.strip()}
    if value == "true":
        return True
    if key in {"percent", "every", "duplicate", "responses", "max-active"}:
        try:
            return float(value) if key == "percent" else int(value)
        except ValueError:
            return value  # which the check of types refuses by name
    return value


def _has(table: FaultTable, what: str) -> bool:
    return getattr(table, what.replace("-", "_")) is not UNSET


def _check_parameters(table: FaultTable, verbs: list[str]) -> None:
    if not verbs:
        raise ValueError(f"it does nothing: give one of {', '.join(_COMPILERS)}")
    if "status" not in verbs:
        for name in ("message", "details", "trailers"):
            if getattr(table, name):
                raise ValueError(f"{name} belongs to status, which is not given")
    if len(verbs) > 1 and set(verbs) != {"delay", "status"}:
        raise ValueError(f"{' and '.join(verbs)}: one fault does one thing, or a delay and then a status")


def _compile(verb: str, table: FaultTable, at: _At) -> act.ItemAction:
    if verb in _NEEDS_MESSAGE and not at.points <= act.MESSAGE_POINTS:
        raise ValueError(
            f'it is at a message: give at = "response 1", or leave it out for every response, not {at.text!r}'
        )
    if at.after and verb not in {"status", "hang", "cancel-target"}:
        raise ValueError(f"it cannot be at {at.text!r}: name the message")
    return _COMPILERS[verb](table, at)


def _status(table: FaultTable, at: _At) -> act.ItemAction:
    code: Any = table.status
    final = make_final(code, table.message, table.details, table.trailers)
    if final.status.code == StatusCode.OK:
        raise ValueError("an abort with OK leaves clients without an answer: use a rule or a mock")
    own = own_details(table.details)
    if own and at.seconds is not None:
        raise ValueError("details of a type of the call's schema cannot be after a time")
    return act.EndCall(at.points or _START, f"status {final.status.name}", final, at.after, own)


def _delay(table: FaultTable, at: _At) -> act.ItemAction:
    shortest, longest = parse_delay(str(table.delay))
    return act.DelayItem(at.points or _START, f"delay {table.delay}", shortest, longest)


def _hang(_table: FaultTable, at: _At) -> act.ItemAction:
    return act.NeverAnswer(at.points or _START, "never answer")


def _cancel_target(_table: FaultTable, at: _At) -> act.ItemAction:
    return act.CancelTarget(at.points or _START, "cancel only towards the target")


def _drop(_table: FaultTable, at: _At) -> act.ItemAction:
    return act.EditItems(at.points or _RESPONSES, "drop", act.drop_items)


def _duplicate(table: FaultTable, at: _At) -> act.ItemAction:
    copies = act.copy_messages(_copies(table.duplicate))
    return act.EditItems(at.points or _RESPONSES, f"send {table.duplicate} times", copies)


def _corrupt(table: FaultTable, at: _At) -> act.ItemAction:
    how = "flip" if table.corrupt is True else str(table.corrupt)
    return act.EditItems(at.points or _RESPONSES, f"corrupt ({how})", act.corrupt_messages(how))


def _oversize(table: FaultTable, at: _At) -> act.ItemAction:
    size = parse_size(str(table.oversize))
    if not 0 < size <= act.MAX_MESSAGE:
        raise ValueError(f"{table.oversize} is more than {act.MAX_MESSAGE:,} bytes")
    return act.EditItems(at.points or _RESPONSES, f"enlarge to {table.oversize}", act.enlarge_messages(size))


def _throttle(table: FaultTable, at: _At) -> act.ItemAction:
    rate = parse_rate(str(table.throttle))
    return act.Throttle(at.points or _RESPONSES, f"throttle to {table.throttle}", rate)


def _half_close(table: FaultTable, at: _At) -> act.ItemAction:
    if table.half_close == "withhold":
        if at.text not in {"", "half-close"}:
            raise ValueError(f"a half-close that is withheld is at the half-close, not at {at.text!r}")
        return act.EditItems(frozenset({Point.HALF_CLOSE}), "withhold the half-close", act.drop_items)
    if at.points != {Point.REQUEST_MESSAGE}:
        raise ValueError('an early half-close follows a request: give at = "request 1"')
    return act.EditItems(at.points, "half-close early", act.half_close)


def _responses(table: FaultTable, at: _At) -> act.ItemAction:
    count = table.responses
    if at.text:
        raise ValueError("responses counts those of the whole call: leave out at")
    if not isinstance(count, int) or count == 1 or not 0 <= count <= _MAX_RESPONSES:
        raise ValueError(f"{count} is not 0, or from 2 to {_MAX_RESPONSES}: a unary call has one")
    if count == 0:
        return act.EditItems(_RESPONSES, "no response", act.drop_items)
    return act.EditItems(_RESPONSES, f"{count} responses", act.copy_messages(count))


def _copies(count: Any) -> int:
    if not isinstance(count, int) or not 2 <= count <= MAX_COPIES:  # noqa: PLR2004 (two are the first duplicate)
        raise ValueError(f"{count} is not from 2 to {MAX_COPIES}")
    return count


_COMPILERS: dict[str, Callable[[FaultTable, _At], act.ItemAction]] = {
    "status": _status,
    "delay": _delay,
    "hang": _hang,
    "drop": _drop,
    "duplicate": _duplicate,
    "corrupt": _corrupt,
    "half-close": _half_close,
    "responses": _responses,
    "cancel-target": _cancel_target,
    "throttle": _throttle,
    "oversize": _oversize,
}
