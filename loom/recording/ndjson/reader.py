"""Parses lines to calls. Damaged lines are reported and skipped."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice, pairwise

import msgspec

from loom.errors import LoomError
from loom.model import MASK, Call, Direction, EndedBy, Interception, Kind, Message, Messages, Metadata, Status
from loom.model.interception import Action, ActionKind, Point
from loom.model.timestamps import parse_timestamp

from . import lines


class FormatError(LoomError):
    """A file that cannot be read at all: it is in another format, or of a later version."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be read. ``line`` counts from 1, and is 0 if it is not about one line."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" if self.line else self.message


Item = Call | lines.Descriptors

MAX_GAP = 1_000_000
"""How many messages of a call may be missing: each is an event in a session, though without bytes."""

_MAX_FOREIGN_LINES = 20  # with which a file may begin

_decoder = msgspec.json.Decoder(lines.Line)


def read_lines(
    source: Iterable[bytes],
    report: Callable[[Problem], None],
    on_header: Callable[[lines.Header], None] = lambda _: None,
) -> Iterator[Item]:
    """Read a file line by line: its calls and descriptor sets; ``on_header`` is called with each header.

    ``report`` is called with the problem of each line that is skipped, and if there is no header, as in a file that was
    filtered. Raises :class:`FormatError` for a later version of the format, and if the first lines are of another.
    """
    parsed = _parsed(source)
    for item in chain([_first(parsed, report)], parsed):
        if isinstance(item, Problem):
            report(item)
        elif isinstance(item, lines.Header):
            on_header(item)
        else:
            yield item


def _first(
    parsed: Iterator[Item | lines.Header | Problem], report: Callable[[Problem], None]
) -> Item | lines.Header:
    """The first line of the format; problems of lines ahead of it are reported once there is one."""
    problems: list[Problem] = []
    for item in islice(parsed, _MAX_FOREIGN_LINES):
        if isinstance(item, Problem):
            problems.append(item)
            continue
        for problem in problems:
            report(problem)
        if not isinstance(item, lines.Header):
            report(Problem(0, f"no header: it is read as version {lines.VERSION}"))
        return item
    if problems:
        raise FormatError(f"line {problems[0].line}: this is not Loom's NDJSON: {problems[0].message}")
    raise FormatError("the file is empty: a file of calls begins with a header")


def _parsed(source: Iterable[bytes]) -> Iterator[Item | lines.Header | Problem]:
    for number, raw in enumerate(source, 1):
        text = raw.strip()
        if not text:
            continue
        try:
            line = _decoder.decode(text)
            if isinstance(line, lines.Header):
                _check(line, number)
            parsed = to_call(line) if isinstance(line, lines.Call) else line
        except (msgspec.MsgspecError, UnicodeError, ValueError, RecursionError) as error:
            yield Problem(number, str(error))
        else:
            yield parsed


def _check(header: lines.Header, number: int) -> None:
    if header.version > lines.VERSION:
        raise FormatError(
            f"line {number}: version {header.version} of the format; this Loom reads at most {lines.VERSION}: update it"
        )


def to_call(line: lines.Call) -> Call:
    """The call of a line. Raises :class:`ValueError` where the line contradicts itself."""
    start = parse_timestamp(line.started)

    def time_ns(offset: int | None) -> int | None:
        return None if offset is None else start + offset

    status = line.status
    messages = [
        Message(
            message.index,
            Direction(message.direction),
            start + message.offset_ns,
            message.size,
            message.data,
            message.compressed,
            message.encoding,
        )
        for message in line.messages
    ]
    interceptions = [_interception(item, start) for item in line.interceptions or ()]
    dropped = line.dropped_interceptions or 0
    return Call(
        line.id,
        line.method,
        start,
        line.peer,
        line.authority,
        line.target,
        line.engine,
        line.content_type,
        time_ns(line.deadline_ns),
        line.replay_of,
        None if line.kind is None else Kind(line.kind),
        request_metadata=_metadata(line.request_metadata) or (),
        initial_metadata=_metadata(line.initial_metadata),
        trailing_metadata=_metadata(line.trailing_metadata),
        initial_ns=time_ns(line.initial_ns),
        first_request_ns=time_ns(line.first_request_ns),
        last_request_ns=time_ns(line.last_request_ns),
        first_response_ns=time_ns(line.first_response_ns),
        last_response_ns=time_ns(line.last_response_ns),
        half_closed_ns=time_ns(line.half_closed_ns),
        half_closed_after=line.half_closed_after,
        ended_ns=time_ns(line.duration_ns),
        request_messages=line.message_counts[0],
        response_messages=line.message_counts[1],
        request_bytes=line.message_bytes[0],
        response_bytes=line.message_bytes[1],
        status=None if status is None else Status(status.code, status.message, status.details),
        ended_by=None if line.ended_by is None else EndedBy(line.ended_by),
        note=line.note,
        wire=line.wire,
        messages=_with_gap(messages, sum(line.message_counts)),
        dropped_messages=line.dropped.messages,
        dropped_bytes=line.dropped.bytes,
        interceptions=interceptions,
        dropped_interceptions=dropped,
        original_bytes=sum(len(item.data or b"") for item in interceptions),
        acted=tuple(
            dict.fromkeys((action.kind, action.name) for item in interceptions for action in item.actions)
        ),
        modified=any(item.altered for item in interceptions),
    )


def _interception(item: lines.Interception, start: int) -> Interception:
    if item.data is not None and len(item.data) != item.size:
        raise ValueError(f"an original message has {len(item.data)} bytes, not {item.size}")
    status = item.status
    return Interception(
        Point(item.point),
        item.index,
        start + item.came_ns,
        start + item.went_ns,
        tuple(
            Action(ActionKind(action.kind), action.name, action.effect, action.applied)
            for action in item.actions
        ),
        item.position,
        item.count,
        item.data,
        item.size,
        item.compressed,
        item.encoding,
        _metadata(item.metadata),
        None if status is None else Status(status.code, status.message, status.details),
        item.altered,
        item.kept,
    )


def _with_gap(messages: list[Message], total: int) -> Messages:
    """The messages, with the one gap that there may be (see :class:`loom.model.Messages`)."""
    result = Messages()
    for message in messages:
        if message.data is not None and len(message.data) != message.size:
            raise ValueError(f"message {message.index} has {len(message.data)} bytes, not {message.size}")
    if any(second.index <= first.index for first, second in pairwise(messages)):
        raise ValueError("the messages are not in order of their index")
    if messages and messages[-1].index >= total:
        raise ValueError(f"message {messages[-1].index} is one more than message_counts says")
    if total - len(messages) > MAX_GAP:
        raise ValueError(f"more than {MAX_GAP:,} messages are missing")
    next_index = 0
    for message in messages:
        if message.index > next_index:
            result.skip(message.index - next_index)
        result.append(message)
        next_index = message.index + 1
    if total > next_index:
        result.skip(total - next_index)
    return result


def _metadata(items: list[lines.Item] | None) -> Metadata | None:
    return None if items is None else tuple([(item.key, _value(item)) for item in items])


def _value(item: lines.Item) -> str | bytes:
    if item.masked:
        return MASK
    return item.base64 if item.base64 is not None else item.value or ""
