"""The terms, and the predicate of each.

A predicate takes a call's summary (docs/reference/api.md) and its details, or None; it returns True, False, or None
if that depends on the details.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Protocol

from loom.api.calls import Summary
from loom.model import StatusCode

from .error import FilterError
from .scanner import Form, Item, Value
from .values import DURATIONS, SIZES, choice, contains, equals, literal, number, path


class Details(Protocol):
    """What is not in a summary; it is read only if a term needs it."""

    def metadata(self) -> Iterable[tuple[str, str]]:
        """Key and value of every request, initial and trailing item; binary values as base64."""

    def fields(self, containing: str = "") -> Iterable[tuple[str, str]]:
        """Path and text of every field of every message ("items.0.sku", "A-1").

        The path is "" where a message has no schema, so that only its text can be searched. Texts that do not contain
        ``containing``, in any case, may be left out.
        """


Predicate = Callable[[Summary, Details | None], bool | None]


@dataclass(frozen=True, slots=True)
class Term:
    """A term of the language. ``cost`` orders predicates, cheapest first; past 0 it needs details."""

    build: Callable[[Value], Predicate]
    example: str
    cost: int = 0


def _anywhere(value: Value) -> Predicate:
    matches = contains(value)

    def predicate(summary: Summary, _: Details | None) -> bool:
        status = summary.status
        if matches(summary.method):
            return True
        return status is not None and (matches(status.name) or matches(status.message))

    return predicate


def _method(value: Value) -> Predicate:
    matches = equals(value)
    if value.form is Form.REGEX:
        return lambda summary, _: matches(summary.method)
    if "/" in value.text:
        if value.text.startswith("/"):
            return lambda summary, _: matches(summary.method)
        return lambda summary, _: matches(summary.method.lstrip("/"))
    return lambda summary, _: matches(summary.method.rpartition("/")[2])


def _service(value: Value) -> Predicate:
    matches = equals(value)

    def predicate(summary: Summary, _: Details | None) -> bool:
        service = summary.method.lstrip("/").rpartition("/")[0]
        return matches(service) or (value.form is not Form.REGEX and matches(service.rpartition(".")[2]))

    return predicate


_MAX_STATUS_DIGITS = 10
_NAMES = {code.name: code.value for code in StatusCode}


def _status(value: Value) -> Predicate:
    name = value.text.upper().replace("-", "_").removeprefix("CODE_")
    is_number = name.isascii() and name.isdigit() and len(name) <= _MAX_STATUS_DIGITS
    if value.form is Form.REGEX or (name not in _NAMES and not is_number):
        raise FilterError(
            f"{value.text!r} is not a status", value.column, "a name such as NOT_FOUND, or its number"
        )
    code = _NAMES[name] if name in _NAMES else int(name)
    return lambda summary, _: summary.status is not None and summary.status.code == code


def _status_message(value: Value) -> Predicate:
    matches = contains(value)
    return lambda summary, _: summary.status is not None and matches(summary.status.message)


def _one_of(key: str, allowed: tuple[str, ...]) -> Callable[[Value], Predicate]:
    read = attrgetter(key)

    def build(value: Value) -> Predicate:
        chosen = choice(value, allowed)
        return lambda summary, _: bool(read(summary) == chosen)

    return build


def _any_name(key: str) -> Callable[[Value], Predicate]:
    """One of several names equals this."""
    read = attrgetter(key)

    def build(value: Value) -> Predicate:
        match = equals(value)
        return lambda summary, _: any(match(name) for name in read(summary))

    return build


def _text(key: str) -> Callable[[Value], Predicate]:
    read = attrgetter(key)

    def build(value: Value) -> Predicate:
        matches = contains(value)
        return lambda summary, _: matches(read(summary))

    return build


def _duration(value: Value) -> Predicate:
    compare = number(value, DURATIONS, "ms", "duration:>250ms or duration:1ms..2s")

    def predicate(summary: Summary, _: Details | None) -> bool:
        duration = summary.duration_us
        return duration is not None and compare(duration)

    return predicate


def _count(key: str, units: dict[str, int], example: str) -> Callable[[Value], Predicate]:
    read, default = attrgetter(key), "b" if units else ""

    def build(value: Value) -> Predicate:
        compare = number(value, units, default, example)
        return lambda summary, _: compare(sum(read(summary)))

    return build


def _one_way(key: str, way: int, units: dict[str, int], example: str) -> Callable[[Value], Predicate]:
    read, default = attrgetter(key), "b" if units else ""

    def build(value: Value) -> Predicate:
        compare = number(value, units, default, example)
        return lambda summary, _: compare(read(summary)[way])

    return build


def _id(value: Value) -> Predicate:
    compare = number(value, {}, "", "id:17 or id:>=100")
    return lambda summary, _: compare(summary.id)


FLAGS = (
    "live",
    "ended",
    "error",
    "replayed",
    "edited",
    "truncated",
    "unobserved",
    "restored",
    "modified",
    "held",
)


def _is(value: Value) -> Predicate:
    flag = choice(value, FLAGS)
    if flag in ("live", "ended"):
        return lambda summary, _: summary.state == flag
    if flag == "error":
        return lambda summary, _: summary.status is not None and summary.status.code != 0
    return lambda summary, _: flag in summary.flags


def _meta(value: Value) -> Predicate:
    """``meta:key=value``; without a value, that there is such a key."""
    if value.field:
        match_key = equals(Value(value.field, Form.WORD, value.column))
        match_value = equals(value)
    else:
        match_key = equals(value)
        match_value = None

    def predicate(_: Summary, details: Details | None) -> bool | None:
        if details is None:
            return None
        return any(
            match_key(key) and (match_value is None or match_value(text)) for key, text in details.metadata()
        )

    return predicate


def _body(value: Value) -> Predicate:
    """``body:text`` in any field, ``body:path=text`` in that field as a whole."""
    text_in_match = literal(value)
    if value.field:
        match_path, match_text = path(value.field), equals(value)
        return _any_field(text_in_match, lambda at, text: match_text(text) and match_path(at))
    matches = contains(value)
    return _any_field(text_in_match, lambda _, text: matches(text))


def _any_field(text_in_match: str, matches: Callable[[str, str], bool]) -> Predicate:
    def predicate(_: Summary, details: Details | None) -> bool | None:
        if details is None:
            return None
        return any(matches(at, text) for at, text in details.fields(text_in_match))

    return predicate


TERMS: Mapping[str, Term] = {
    "": Term(_anywhere, "GetOrder"),
    "method": Term(_method, "method:Get*"),
    "service": Term(_service, "service:acme.*"),
    "status": Term(_status, "status:NOT_FOUND,INTERNAL"),
    "message": Term(_status_message, 'message:"no such"'),
    "kind": Term(_one_of("kind", ("unary", "server", "client", "bidi")), "kind:bidi"),
    "duration": Term(_duration, "duration:>250ms"),
    "bytes": Term(_count("bytes", SIZES, "bytes:>1MB"), "bytes:>1MB"),
    "bytes.up": Term(_one_way("bytes", 0, SIZES, "bytes.up:>1MB"), "bytes.up:>64KiB"),
    "bytes.down": Term(_one_way("bytes", 1, SIZES, "bytes.down:>1MB"), "bytes.down:0"),
    "messages": Term(_count("messages", {}, "messages:>=10"), "messages:>=10"),
    "messages.up": Term(_one_way("messages", 0, {}, "messages.up:>1"), "messages.up:>1"),
    "messages.down": Term(_one_way("messages", 1, {}, "messages.down:0"), "messages.down:0"),
    "id": Term(_id, "id:>=100"),
    "peer": Term(_text("peer"), "peer:127.0.0.1"),
    "authority": Term(_text("authority"), "authority:shop.example"),
    "target": Term(_text("target"), "target:50051"),
    "engine": Term(_one_of("engine", ("relay", "wire", "replay")), "engine:wire"),
    "ended": Term(_one_of("ended_by", ("backend", "client", "deadline", "loom")), "ended:client"),
    "rule": Term(_any_name("rules"), 'rule:"empty cart"'),
    "fault": Term(_any_name("faults"), "fault:flaky"),
    "is": Term(_is, "is:live,error"),
    "meta": Term(_meta, "meta:x-tenant=42", cost=1),
    "body": Term(_body, 'body:"alice"', cost=2),
}


def predicates(items: Sequence[Item]) -> list[tuple[Predicate, int]]:
    """The predicates of a comma list with their costs, cheapest first."""
    pairs = [(TERMS[item.term].build(item.value), TERMS[item.term].cost) for item in items]
    return sorted(pairs, key=lambda pair: pair[1])
