"""Lines become calls; a damaged one says where, and the rest is read."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from loom.errors import LoomError
from loom.model import (
    MASK,
    Call,
    Direction,
    EndedBy,
    Kind,
    Message,
    Messages,
    Metadata,
    Status,
)
from loom.recording.moments import nanoseconds

from . import lines


class FormatError(LoomError):
    """A file that cannot be read at all: it is something else, or of a later version."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that could not be read. ``line`` counts from 1."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


Read = Call | lines.Descriptors

_decoder = msgspec.json.Decoder(lines.Line)


def read_lines(source: Iterable[bytes], problem: Callable[[Problem], None]) -> Iterator[Read]:
    """Read a file line by line: calls, and descriptors on the way.

    What is wrong with a line goes to ``problem`` and the line is passed over. Raises
    :class:`FormatError` for a version that this Loom does not know, and if the first line is no header.
    """
    number = 0
    begun = False
    for number, raw in enumerate(source, 1):
        text = raw.strip()
        if not text:
            continue
        try:
            line = _decoder.decode(text)
            if isinstance(line, lines.Header):
                _check(line, number)
                begun = True
                continue
            if not begun:
                raise FormatError(f"line {number}: a file of calls begins with a header (docs/format.md)")
            read = line if isinstance(line, lines.Descriptors) else to_call(line)
        except (msgspec.MsgspecError, UnicodeError, ValueError) as error:
            if not begun:
                raise FormatError(f"line {number}: this is no NDJSON of Loom: {error}") from None
            problem(Problem(number, str(error)))
            continue
        yield read
    if not begun:
        raise FormatError("the file is empty: a file of calls begins with a header (docs/format.md)")


def _check(header: lines.Header, number: int) -> None:
    if header.version > lines.VERSION:
        raise FormatError(
            f"line {number}: version {header.version} of the format; this Loom reads at most {lines.VERSION}"
        )


def to_call(line: lines.Call) -> Call:
    """The call of a line. Raises :class:`ValueError` where the line contradicts itself."""
    start = nanoseconds(line.started)

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
        modified=line.modified,
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
