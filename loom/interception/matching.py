"""Which calls and which messages a rule acts on, in the language of the page's filter.

``match`` is decided when a call starts, so it may only have terms of what is known then; those of the method alone are
decided once per method.
"""

import base64
import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from google.protobuf.descriptor import Descriptor

from loom.api.calls import Summary
from loom.codec import DecodeError, JsonDecoder, TypeResolver, parse
from loom.codec.wire_parser import LEN, WireFormatError
from loom.codec.wire_records import split_records
from loom.model.interception import CallFacts
from loom.recording.query import TERMS, FilterError, Query
from loom.recording.query import parse as parse_query
from loom.recording.query.scanner import Form, Group, Value, scan
from loom.recording.query.values import literal

METHOD_TERMS = ("", "method", "service")
START_TERMS = (*METHOD_TERMS, "authority", "peer", "meta", "target", "engine")
"""The terms of what is known when a call starts."""

_INFRASTRUCTURE = ("grpc.health.", "grpc.reflection.")
_INFRASTRUCTURE_NAMES = ("health", "serverreflection")


def metadata_text(value: str | bytes) -> str:
    """A value of metadata as filters see it: bytes as base64."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


class CallView:
    """A call that starts, as the terms of a ``match`` see it: both the summary and the details of a query."""

    __slots__ = ("_metadata", "authority", "engine", "facts", "method", "peer", "status", "target")

    def __init__(self, facts: CallFacts) -> None:
        self.facts = facts
        self.method = facts.method
        self.peer = facts.peer
        self.authority = facts.authority
        self.target = facts.target
        self.engine = facts.engine
        self.status = None
        self._metadata: list[tuple[str, str]] | None = None

    def metadata(self) -> list[tuple[str, str]]:
        """The request metadata; values that are bytes as base64."""
        if self._metadata is None:
            self._metadata = [(key, metadata_text(value)) for key, value in self.facts.metadata]
        return self._metadata

    def fields(self, holding: str = "") -> Iterable[tuple[str, str]]:  # noqa: ARG002 (there is no message yet)
        return ()


@dataclass(frozen=True, slots=True)
class CallMatch:
    """Which calls a rule acts on. ``text`` is the filter; without terms it is every call.

    gRPC's own health and reflection services match only a filter that names them. ``required`` are pairs of a metadata
    key and its value (None: any) in lower case, of which every call that matches has one; empty: none is required.
    """

    text: str
    _method_query: Query
    _call_query: Query
    _names_infrastructure: bool
    required: frozenset[tuple[str, str | None]] = frozenset()

    def may_match(self, method: str) -> bool:
        """Whether calls of a method can match."""
        if not self._names_infrastructure and method.lstrip("/").startswith(_INFRASTRUCTURE):
            return False
        return self._method_query.matches(cast("Summary", CallView(CallFacts(method))))

    @property
    def is_by_method(self) -> bool:
        """Whether :meth:`may_match` decides alone."""
        return not self._call_query.groups

    def matches(self, call: CallView) -> bool:
        """Whether a call of a method that may match does."""
        return self.is_by_method or self._call_query.matches(cast("Summary", call), call)


def parse_match(text: str) -> CallMatch:
    """Parse a ``match``; raises :class:`~loom.recording.query.FilterError`."""
    groups = scan(text, TERMS)
    _refuse_regex(groups)
    by_method: list[str] = []
    by_call: list[str] = []
    ends = [*(group.column for group in groups[1:]), len(text)]
    for group, end in zip(groups, ends, strict=False):
        for item in group.items:
            if item.term not in START_TERMS:
                raise FilterError(
                    f"'{item.term}:' is not known when a call starts",
                    item.column,
                    "a match may have " + ", ".join(f"{term}:" for term in START_TERMS if term),
                )
        part = text[group.column : end]
        (by_method if all(item.term in METHOD_TERMS for item in group.items) else by_call).append(part)
    return CallMatch(
        text.strip(),
        parse_query(" ".join(by_method)),
        parse_query(" ".join(by_call)),
        any(_names_infrastructure(group) for group in groups),
        next((pairs for group in groups if (pairs := _required_metadata(group))), frozenset()),
    )


def _required_metadata(group: Group) -> frozenset[tuple[str, str | None]]:
    """The pairs of which a group asks for one; empty where it asks for anything else, or has wildcards."""
    pairs: set[tuple[str, str | None]] = set()
    for item in group.items:
        value = item.value
        key = literal(Value(value.field, Form.WORD, value.column) if value.field else value).lower()
        text = literal(value).lower() if value.field else None
        if group.negated or item.term != "meta" or not key or text == "":
            return frozenset()
        pairs.add((key, text))
    return frozenset(pairs)


def parse_body(text: str) -> Query:
    """Parse the ``body`` of a ``when``, which is the value of a filter's ``body:``; raises :class:`FilterError`."""
    groups = scan(f"body:{text}", TERMS)
    _refuse_regex(groups)
    if any(item.term != "body" for group in groups for item in group.items):
        raise FilterError("only values of body: can be here", 0, 'as in "items.sku=A-1"')
    return parse_query(f"body:{text}")


def message_matches(query: Query, data: bytes, descriptor: Descriptor | None, resolver: TypeResolver) -> bool:
    """Whether a message has what a ``body`` asks for; without a schema, fields are named by their numbers."""
    return query.matches(cast("Summary", None), _MessageDetails(data, descriptor, resolver))


def _refuse_regex(groups: Iterable[Group]) -> None:
    for group in groups:
        for item in group.items:
            if item.value.form is Form.REGEX:
                raise FilterError(
                    "a regular expression may take any time for what a client sends",
                    item.value.column,
                    "use * and ?",
                )


def _names_infrastructure(group: Group) -> bool:
    if group.negated:
        return False
    for item in group.items:
        text = item.value.text.lower().lstrip("/")
        if item.term in {"method", "service"} and (
            text.startswith(_INFRASTRUCTURE) or text in _INFRASTRUCTURE_NAMES
        ):
            return True
    return False


class _MessageDetails:
    """The fields of one message."""

    def __init__(self, data: bytes, descriptor: Descriptor | None, resolver: TypeResolver) -> None:
        self._data = data
        self._descriptor = descriptor
        self._resolver = resolver

    def metadata(self) -> Iterable[tuple[str, str]]:
        return ()

    def fields(self, holding: str = "") -> Iterator[tuple[str, str]]:  # noqa: ARG002 (one message: no prefilter)
        if self._descriptor is None:
            yield from _numbered_fields(self._data, "", 0)
            return
        try:
            value = JsonDecoder(self._resolver).decode(parse(self._data, self._descriptor)).json
        except DecodeError:
            return
        yield from _json_fields(value, "")


def _json_fields(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _json_fields(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _json_fields(item, f"{path}.{index}")
    elif isinstance(value, bool):
        yield path, "true" if value else "false"
    elif value is not None:
        yield path, str(value)


_MAX_DEPTH = 16


def _numbered_fields(data: bytes, path: str, depth: int) -> Iterator[tuple[str, str]]:
    """The fields by number: texts, numbers, and what is within what may be a message."""
    try:
        fields = split_records(data)
    except WireFormatError:
        return
    for field in fields:
        at = f"{path}.{field.number}" if path else str(field.number)
        if field.wire_type != LEN:
            if field.payload:
                yield (
                    at,
                    str(
                        int.from_bytes(field.payload, "little") if field.wire_type else _varint(field.payload)
                    ),
                )
            continue
        with contextlib.suppress(UnicodeDecodeError):
            yield at, field.payload.decode()
        if depth < _MAX_DEPTH:
            yield from _numbered_fields(field.payload, at, depth + 1)


def _varint(payload: bytes) -> int:
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(payload))
