"""Faults, compiled to rules: a ``[[fault]]`` table, or ``--fault 'MATCH :: status=UNAVAILABLE; at=message 3'``."""

import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec import UNSET

from loom.model import StatusCode
from loom.model.interception import ActionKind, Point

from . import actions as act
from .amounts import parse_delay, parse_rate, parse_size
from .errors import RuleFileError
from .fault_places import Place
from .final_status import make_final, own_details
from .matching import parse_match
from .rule_actions import MAX_COPIES
from .rule_file import FaultTable, convert_rules
from .rules import Rule, Timer, checked, parse_selection, rule_name

_SEPARATOR = re.compile(r"(?:^|(?<=\s))::(?=\s|$)")
_NUMBERS = frozenset({"percent", "every", "duplicate", "responses", "max-active"})
_REPEATED = frozenset({"trailers", "details"})
_MAX_RESPONSES = 1000
_START = frozenset({Point.START})
_RESPONSES = frozenset({Point.RESPONSE_MESSAGE})
_BEHIND_START = frozenset(Point) - _START
_LAST_POINTS = {Point.REQUEST_MESSAGE: Point.HALF_CLOSE, Point.RESPONSE_MESSAGE: Point.STATUS}


def compile_fault(table: FaultTable, number: int) -> Rule:
    """Compile a ``[[fault]]``; raises :class:`RuleFileError`, without the file's name."""
    name = rule_name(table, "fault", number)
    where = f"fault {name!r}"
    at = checked(where, lambda: Place(table.at), "at")
    verbs = [what for what in _COMPILERS if _has(table, what)]
    checked(where, lambda: _check_parameters(table, verbs))
    actions = tuple(checked(f"{where}: {verb}", partial(_compile, verb, table, at), verb) for verb in verbs)
    timer = None
    if at.seconds is not None and verbs != ["delay"] and {"status", "cancel-target"} & set(verbs):
        if len(verbs) > 1:
            raise RuleFileError(f"{where}: a delay and then a status cannot be at {at.text!r}", "at")
        [end] = actions
        timer, actions = Timer(at.seconds, end.final if isinstance(end, act.EndCall) else None), ()
    return Rule(
        ActionKind.FAULT,
        name,
        checked(f"{where}: match", lambda: parse_match(table.match), "match"),
        checked(where, lambda: parse_selection(table)),
        actions,
        None if "hang" in verbs and at.after is not None else at.index,
        enabled=table.enabled,
        timer=timer,
        from_seconds=at.seconds,
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
    parts = _SEPARATOR.split(text, 1)
    if len(parts) == 1:  # "::" without blanks around it, which may be a part of an address
        parts = text.split("::", 1)
    if len(parts) == 1:
        raise RuleFileError(
            f"{flag}{text!r}: write a filter, '::' and what happens, as in 'method:GetOrder :: status=UNAVAILABLE'"
        )
    match, what = parts
    table: dict[str, Any] = {}
    for part in what.split(";"):
        key, equals, value = part.partition("=")
        key = key.strip()
        if not key:
            continue
        given = _flag_value(key, value.strip()) if equals else True
        if key not in table:
            table[key] = given
        elif key in _REPEATED:
            table[key] = _joined(table[key], given)
        else:
            raise RuleFileError(f"{flag}{text!r}: {key} is given twice", key)
    return {"match": match.strip(), **table}


def _joined(before: Any, given: Any) -> Any:
    """What is given of a key that may be repeated: pairs of trailers, or details."""
    if isinstance(before, list) and isinstance(given, list):
        return before + given
    if not (isinstance(before, dict) and isinstance(given, dict)):
        return given  # of another type, which the check of types refuses by name
    [(name, value)] = given.items()
    values = before.get(name)
    if values is None:
        return {**before, name: value}
    return {**before, name: [*values, value] if isinstance(values, list) else [values, value]}


def _flag_value(key: str, value: str) -> Any:
    if key == "trailers":
        name, _, content = value.partition(":")
        return {name.strip(): content.strip()}
    if value == "true":
        return True
    try:
        if key == "details":
            details = json.loads(value)
            return details if isinstance(details, list) else [details]
        if key in _NUMBERS:
            return float(value) if key == "percent" else int(value)
    except ValueError:
        pass  # which the check of types refuses by name
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


def _compile(verb: str, table: FaultTable, at: Place) -> act.ItemAction:
    at.check(verb)
    return _COMPILERS[verb](table, at)


def _status(table: FaultTable, at: Place) -> act.ItemAction:
    code: Any = table.status
    final = make_final(code, table.message, table.details, table.trailers)
    if final.status.code == StatusCode.OK:
        raise ValueError("an abort with OK leaves clients without an answer: use a rule or a mock")
    own = own_details(table.details)
    if own and at.seconds is not None:
        raise ValueError("details of a type of the call's schema cannot be after a time")
    return act.EndCall(at.points or _START, f"status {final.status.name}", final, at.after is not None, own)


def _delay(table: FaultTable, at: Place) -> act.ItemAction:
    shortest, longest = parse_delay(str(table.delay))
    default = _START if at.seconds is None else _RESPONSES
    return act.DelayItem(at.points or default, f"delay {table.delay}", shortest, longest)


def _hang(_table: FaultTable, at: Place) -> act.ItemAction:
    if at.after is not None:
        [point] = at.points
        return act.NeverAnswer(frozenset({point, _LAST_POINTS[point]}), "never answer", at.after)
    return act.NeverAnswer(at.points or (_START if at.seconds is None else _BEHIND_START), "never answer")


def _cancel_target(_table: FaultTable, at: Place) -> act.ItemAction:
    # The target has the request then. At the start there would be no call that it sees the end of.
    return act.CancelTarget(at.points or frozenset({Point.HALF_CLOSE}), "cancel only towards the target")


def _drop(_table: FaultTable, at: Place) -> act.ItemAction:
    return act.EditItems(at.points or _RESPONSES, "drop", act.drop_items)


def _duplicate(table: FaultTable, at: Place) -> act.ItemAction:
    copies = act.copy_messages(_copies(table.duplicate))
    return act.EditItems(at.points or _RESPONSES, f"send {table.duplicate} times", copies)


def _corrupt(table: FaultTable, at: Place) -> act.ItemAction:
    how = "flip" if table.corrupt is True else str(table.corrupt)
    return act.EditItems(at.points or _RESPONSES, f"corrupt ({how})", act.corrupt_messages(how))


def _oversize(table: FaultTable, at: Place) -> act.ItemAction:
    size = parse_size(str(table.oversize))
    if not 0 < size <= act.MAX_MESSAGE:
        raise ValueError(f"{table.oversize} is more than {act.MAX_MESSAGE:,} bytes")
    return act.EditItems(at.points or _RESPONSES, f"enlarge to {table.oversize}", act.enlarge_messages(size))


def _throttle(table: FaultTable, at: Place) -> act.ItemAction:
    rate = parse_rate(str(table.throttle))
    return act.Throttle(at.points or _RESPONSES, f"throttle to {table.throttle}", rate)


def _half_close(table: FaultTable, at: Place) -> act.ItemAction:
    if table.half_close == "withhold":
        if at.text not in {"", "half-close"}:
            raise ValueError(f"a half-close is withheld where it is: leave out at, which is {at.text!r}")
        return act.EditItems(frozenset({Point.HALF_CLOSE}), "withhold the half-close", act.drop_items)
    if at.points != {Point.REQUEST_MESSAGE}:
        raise ValueError('an early half-close follows a request: give at = "request 1"')
    return act.EditItems(at.points, "half-close early", act.half_close)


def _responses(table: FaultTable, _at: Place) -> act.ItemAction:
    count = table.responses
    if not isinstance(count, int) or count == 1 or not 0 <= count <= _MAX_RESPONSES:
        raise ValueError(f"{count} is not 0, or from 2 to {_MAX_RESPONSES}: a unary call has one")
    if count == 0:
        return act.EditItems(_RESPONSES, "no response", act.drop_items)
    return act.EditItems(_RESPONSES, f"{count} responses", act.copy_messages(count))


def _copies(count: Any) -> int:
    if not isinstance(count, int) or not 2 <= count <= MAX_COPIES:  # noqa: PLR2004 (two are the first duplicate)
        raise ValueError(f"{count} is not from 2 to {MAX_COPIES}")
    return count


_COMPILERS: dict[str, Callable[[FaultTable, Place], act.ItemAction]] = {
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
