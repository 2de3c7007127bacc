"""Lines become calls; a damaged one says where, and the rest is read."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice, pairwise

import msgspec

from loom.errors import LoomError
from loom.model import MASK, Call, Direction, EndedBy, Kind, Message, Messages, Metadata, Status
from loom.model.timestamps import parse_timestamp

from . import lines


class FormatError(LoomError):
    """A file that cannot be read at all: it is something else, or of a later version."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be read. ``line`` counts from 1, and is 0 where it is not about a line."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" if self.line else self.message


Read = Call | lines.Descriptors

_MOST_BEFORE = 20  # lines that are nothing of ours, with which a file may begin

_decoder = msgspec.json.Decoder(lines.Line)


def read_lines(source: Iterable[bytes], problem: Callable[[Problem], None]) -> Iterator[Read]:
    """Read a file line by line: calls, and descriptors on the way.

    What is wrong with a line goes to ``problem`` and the line is passed over; so does that there is no header,
    which a filter may have left out. Raises :class:`FormatError` for a version that this Loom does not know, and
    if the first lines are nothing of ours.
    """
    parsed = _parsed(source)
    for read in chain([_first(parsed, problem)], parsed):
        if isinstance(read, Problem):
            problem(read)
        elif not isinstance(read, lines.Header):
            yield read


def _first(
    parsed: Iterator[Read | lines.Header | Problem], problem: Callable[[Problem], None]
) -> Read | lines.Header:
    """The first line that is ours; what is wrong before it is told once there is one."""
    before: list[Problem] = []
    for read in islice(parsed, _MOST_BEFORE):
        if isinstance(read, Problem):
            before.append(read)
            continue
        for found in before:
            problem(found)
        if not isinstance(read, lines.Header):
            problem(Problem(0, f"there is no header: it is read as version {lines.VERSION}"))
        return read
    if before:
        raise FormatError(f"line {before[0].line}: this is no NDJSON of Loom: {before[0].message}")
    raise FormatError("the file is empty: a file of calls begins with a header")


def _parsed(source: Iterable[bytes]) -> Iterator[Read | lines.Header | Problem]:
    for number, raw in enumerate(source, 1):
        text = raw.strip()
        if not text:
            continue
        try:
            line = _decoder.decode(text)
            if isinstance(line, lines.Header):
                _check(line, number)
            parsed = to_call(line) if isinstance(line, lines.Call) else line
        except (msgspec.MsgspecError, UnicodeError, ValueError) as error:
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

    def at(offset: int | None) -> int | None:
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
    return Call(
        line.id,
        line.method,
        start,
        line.peer,
        line.authority,
        line.target,
        line.engine,
        line.content_type,
        at(line.deadline_ns),
        line.replay_of,
        None if line.kind is None else Kind(line.kind),
        request_metadata=_metadata(line.request_metadata) or (),
        initial_metadata=_metadata(line.initial_metadata),
        trailing_metadata=_metadata(line.trailing_metadata),
        initial_ns=at(line.initial_ns),
        first_request_ns=at(line.first_request_ns),
        last_request_ns=at(line.last_request_ns),
        first_response_ns=at(line.first_response_ns),
        last_response_ns=at(line.last_response_ns),
        half_closed_ns=at(line.half_closed_ns),
        half_closed_after=line.half_closed_after,
        ended_ns=at(line.duration_ns),
        request_messages=line.message_counts[0],
        response_messages=line.message_counts[1],
        request_bytes=line.message_bytes[0],
        response_bytes=line.message_bytes[1],
        status=None if status is None else Status(status.code, status.message, status.details),
        ended_by=None if line.ended_by is None else EndedBy(line.ended_by),
        note=line.note,
        wire=line.wire,
        messages=_held(messages, sum(line.message_counts)),
        dropped_messages=line.dropped.messages,
        dropped_bytes=line.dropped.bytes,
    )


def _held(messages: list[Message], total: int) -> Messages:
    """The messages, with the one gap there may be (see :class:`loom.model.Messages`)."""
    held = Messages()
    for message in messages:
        if message.data is not None and len(message.data) != message.size:
            raise ValueError(f"message {message.index} has {len(message.data)} bytes, not {message.size}")
    if any(later.index <= earlier.index for earlier, later in pairwise(messages)):
        raise ValueError("the messages are not in order of their index")
    if messages and messages[-1].index >= total:
        raise ValueError(f"message {messages[-1].index} is one more than message_counts says")
    expected = 0
    for message in messages:
        if message.index > expected:
            held.skip(message.index - expected)
        held.append(message)
        expected = message.index + 1
    if total > expected:
        held.skip(total - expected)
    return held


def _metadata(items: list[lines.Item] | None) -> Metadata | None:
    return None if items is None else tuple([(item.key, _value(item)) for item in items])


def _value(item: lines.Item) -> str | bytes:
    if item.masked:
        return MASK
    return item.base64 if item.base64 is not None else item.value or ""
