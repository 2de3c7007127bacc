"""What each term asks of a call.

A question gets the call's summary (docs/api.md) and, where the asker has them, its
details; it answers True, False, or None for "not without the details".
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
    """What a summary does not hold, read only if a term asks for it."""

    def metadata(self) -> Iterable[tuple[str, str]]:
        """Key and value of every request, initial and trailing item; binary values as base64."""

    def fields(self, holding: str = "") -> Iterable[tuple[str, str]]:
        """Path and text of every field of every message ("items.0.sku", "A-1").

        The path is "" where a message has no schema and only its text can be looked at. Texts that do not hold
        ``holding``, in any case, may be left out.
        """


Question = Callable[[Summary, Details | None], bool | None]


@dataclass(frozen=True, slots=True)
class Term:
    """A term of the language. ``cost`` orders questions, cheapest first; past 0 it needs details."""

    ask: Callable[[Value], Question]
    example: str
    cost: int = 0


def ask(item: Item) -> tuple[Question, int]:
    """The question of one item, and its cost."""
    term = TERMS[item.term]
    return term.ask(item.value), term.cost


def _anywhere(value: Value) -> Question:
    found = contains(value)

    def question(summary: Summary, _: Details | None) -> bool:
        status = summary.status
        if found(summary.method):
            return True
        return status is not None and (found(status.name) or found(status.message))

    return question


def _method(value: Value) -> Question:
    found = equals(value)
    if value.form is Form.REGEX:
        return lambda summary, _: found(summary.method)
    if "/" in value.text:
        if value.text.startswith("/"):
            return lambda summary, _: found(summary.method)
        return lambda summary, _: found(summary.method.lstrip("/"))
    return lambda summary, _: found(summary.method.rpartition("/")[2])


def _service(value: Value) -> Question:
    found = equals(value)

    def question(summary: Summary, _: Details | None) -> bool:
        service = summary.method.lstrip("/").rpartition("/")[0]
        return found(service) or (value.form is not Form.REGEX and found(service.rpartition(".")[2]))

    return question


_NAMES = {code.name: code.value for code in StatusCode}


def _status(value: Value) -> Question:
    name = value.text.upper().replace("-", "_").removeprefix("CODE_")
    if value.form is Form.REGEX or (name not in _NAMES and not (name.isascii() and name.isdigit())):
        raise FilterError(
            f"{value.text!r} is no status", value.column, "a name such as NOT_FOUND, or its number"
        )
    code = _NAMES[name] if name in _NAMES else int(name)
    return lambda summary, _: summary.status is not None and summary.status.code == code


def _status_message(value: Value) -> Question:
    found = contains(value)
    return lambda summary, _: summary.status is not None and found(summary.status.message)


def _one_of(key: str, allowed: tuple[str, ...]) -> Callable[[Value], Question]:
    read = attrgetter(key)

    def build(value: Value) -> Question:
        wanted = choice(value, allowed)
        return lambda summary, _: bool(read(summary) == wanted)

    return build


def _text(key: str) -> Callable[[Value], Question]:
    read = attrgetter(key)

    def build(value: Value) -> Question:
        found = contains(value)
        return lambda summary, _: found(read(summary))

    return build


def _duration(value: Value) -> Question:
    holds = number(value, DURATIONS, "ms", "duration:>250ms or duration:1ms..2s")

    def question(summary: Summary, _: Details | None) -> bool:
        duration = summary.duration_us
        return duration is not None and holds(duration)

    return question


def _count(key: str, units: dict[str, int], example: str) -> Callable[[Value], Question]:
    read, default = attrgetter(key), "b" if units else ""

    def build(value: Value) -> Question:
        holds = number(value, units, default, example)
        return lambda summary, _: holds(sum(read(summary)))

    return build


def _one_way(key: str, way: int, units: dict[str, int], example: str) -> Callable[[Value], Question]:
    read, default = attrgetter(key), "b" if units else ""

    def build(value: Value) -> Question:
        holds = number(value, units, default, example)
        return lambda summary, _: holds(read(summary)[way])

    return build


def _id(value: Value) -> Question:
    holds = number(value, {}, "", "id:17 or id:>=100")
    return lambda summary, _: holds(summary.id)


FLAGS = ("live", "ended", "error", "replayed", "truncated", "unobserved", "restored")


def _is(value: Value) -> Question:
    wanted = choice(value, FLAGS)
    if wanted in ("live", "ended"):
        return lambda summary, _: summary.state == wanted
    if wanted == "error":
        return lambda summary, _: summary.status is not None and summary.status.code != 0
    return lambda summary, _: wanted in summary.flags


def _meta(value: Value) -> Question:
    """``meta:key=value``; without a value: there is such a key."""
    if value.field:
        has_key = equals(Value(value.field, Form.WORD, value.column))
        has_value = equals(value)
    else:
        has_key = equals(value)
        has_value = None

    def question(_: Summary, details: Details | None) -> bool | None:
        if details is None:
            return None
        return any(
            has_key(key) and (has_value is None or has_value(text)) for key, text in details.metadata()
        )

    return question


def _body(value: Value) -> Question:
    """``body:text`` in any field, ``body:path=text`` in that field as a whole."""
    wanted = literal(value)
    if value.field:
        here, holds = path(value.field), equals(value)
        return _field_question(wanted, lambda at, text: holds(text) and here(at))
    found = contains(value)
    return _field_question(wanted, lambda _, text: found(text))


def _field_question(wanted: str, holds: Callable[[str, str], bool]) -> Question:
    def question(_: Summary, details: Details | None) -> bool | None:
        if details is None:
            return None
        return any(holds(at, text) for at, text in details.fields(wanted))

    return question


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
    "is": Term(_is, "is:live,error"),
    "meta": Term(_meta, "meta:x-tenant=42", cost=1),
    "body": Term(_body, 'body:"alice"', cost=2),
}


def questions(items: Sequence[Item]) -> list[tuple[Question, int]]:
    """The questions of a comma list, cheapest first."""
    return sorted((ask(item) for item in items), key=lambda pair: pair[1])
