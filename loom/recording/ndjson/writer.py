"""Encodes calls as lines, with secrets masked."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from loom import __version__
from loom.model import Call, CallState, Direction, Interception, Message, Metadata, Secrets
from loom.model.timestamps import format_timestamp

from . import lines

_encoder = msgspec.json.Encoder()


def header_line(
    *, revealed: bool, fault_seed: int | None = None, fault_seeds: Mapping[int, int] | None = None
) -> bytes:
    """The first line of a file, with its newline.

    ``fault_seed`` is that of a running Loom, ``fault_seeds`` those of what is exported, by the ids of first calls.
    """
    header = lines.Header(
        "loom-ndjson",
        lines.VERSION,
        f"loom {__version__}",
        "revealed" if revealed else "masked",
        msgspec.UNSET if fault_seed is None else fault_seed,
        dict(fault_seeds) if fault_seeds else msgspec.UNSET,
    )
    return _encoder.encode(header) + b"\n"


def descriptors_line(file_set: bytes, *, target: str, source: str, origin: str, fetched_ns: int) -> bytes:
    """A line with a serialized ``FileDescriptorSet``, with its newline."""
    return (
        _encoder.encode(lines.Descriptors(file_set, target, source, origin, format_timestamp(fetched_ns)))
        + b"\n"
    )


def _no_json(_: Message) -> Any:
    return msgspec.UNSET


def to_line(call: Call, secrets: Secrets | None, decode: Callable[[Message], Any] = _no_json) -> bytes:
    """The line of a call, with its newline; ``secrets`` are masked, None masks nothing.

    ``decode`` returns a message's JSON for people and jq; readers of the format ignore it.
    """
    return _encoder.encode(_call(call, secrets, decode)) + b"\n"


def _call(call: Call, secrets: Secrets | None, decode: Callable[[Message], Any]) -> lines.Call:
    start = call.started_ns

    def offset(time_ns: int | None) -> int | None:
        return None if time_ns is None else time_ns - start

    status = call.status
    return lines.Call(
        id=call.id,
        method=call.method,
        kind=None if call.declared_kind is None else call.declared_kind.value,
        started=format_timestamp(start),
        duration_ns=call.duration_ns if call.state is CallState.ENDED else None,
        deadline_ns=offset(call.deadline_ns),
        status=None
        if status is None
        else lines.Status(int(status.code), status.name, status.message, status.details),
        ended_by=None if call.ended_by is None else call.ended_by.value,
        note=call.note,
        peer=call.peer,
        authority=call.authority,
        target=call.target,
        engine=call.engine,
        content_type=call.content_type,
        replay_of=call.replay_of,
        message_counts=(call.request_messages, call.response_messages),
        message_bytes=(call.request_bytes, call.response_bytes),
        request_metadata=_items(call.request_metadata, secrets) or [],
        initial_metadata=_items(call.initial_metadata, secrets),
        initial_ns=offset(call.initial_ns),
        trailing_metadata=_items(call.trailing_metadata, secrets),
        first_request_ns=offset(call.first_request_ns),
        last_request_ns=offset(call.last_request_ns),
        first_response_ns=offset(call.first_response_ns),
        last_response_ns=offset(call.last_response_ns),
        half_closed_ns=offset(call.half_closed_ns),
        half_closed_after=call.half_closed_after,
        messages=[
            lines.Message(
                index=message.index,
                direction="request" if message.direction is Direction.REQUEST else "response",
                offset_ns=message.time_ns - start,
                size=message.size,
                data=message.data,
                compressed=message.compressed,
                encoding=message.encoding,
                json=decode(message),
            )
            for message in call.messages
        ],
        dropped=lines.Dropped(call.dropped_messages, call.dropped_bytes),
        interceptions=[_interception(item, start, secrets) for item in call.interceptions] or msgspec.UNSET,
        dropped_interceptions=call.dropped_interceptions or msgspec.UNSET,
        wire=call.wire,
    )


def _interception(item: Interception, start: int, secrets: Secrets | None) -> lines.Interception:
    status = item.status
    return lines.Interception(
        point=item.point.value,
        index=item.index,
        came_ns=item.came_ns - start,
        went_ns=item.time_ns - start,
        actions=[
            lines.Action(action.kind.value, action.name, action.effect, action.applied)
            for action in item.actions
        ],
        position=item.position,
        count=item.count,
        altered=item.altered,
        data=item.data,
        size=item.size,
        compressed=item.compressed,
        encoding=item.encoding,
        metadata=_items(item.metadata, secrets),
        status=None
        if status is None
        else lines.Status(int(status.code), status.name, status.message, status.details),
        kept=item.kept,
    )


def _items(metadata: Metadata | None, secrets: Secrets | None) -> list[lines.Item] | None:
    return None if metadata is None else [_item(key, value, secrets) for key, value in metadata]


def _item(key: str, value: str | bytes, secrets: Secrets | None) -> lines.Item:
    if secrets is not None and secrets.masks(key):
        return lines.Item(key, masked=True)
    return lines.Item(key, base64=value) if isinstance(value, bytes) else lines.Item(key, value)
