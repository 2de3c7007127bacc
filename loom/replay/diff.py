"""Differences between two calls or two messages, by structure, on decoded values. No I/O.

Paths name fields of a message (``items[2].price``); :mod:`~loom.replay.ignore_paths` says which are ignored.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from loom.api.replay import Change, ChangeKind
from loom.codec import ChainResolver, TypeResolver
from loom.codec.canonical import UNKNOWN_FIELDS, Leaf, exact_value, same_content
from loom.codec.field_path import FieldNames, Step, path_text
from loom.decoding.call_decoder import DecodedCall
from loom.decoding.message_decoder import DecodedMessage
from loom.model import MASK, Call, Direction, EndedBy, Metadata, Secrets, application_metadata
from loom.model.metadata import GRPC_STATUS_DETAILS

from .ignore_paths import IgnorePaths, PathCursor

_SHOWN_BYTES = 64
_HIDDEN = "values that JSON does not represent exactly differ"
_UNKNOWN_STEP = path_text([UNKNOWN_FIELDS])
CLIENT_ENDED = frozenset({EndedBy.CLIENT, EndedBy.DEADLINE})
"""Ends that come from the client's side: how far the backend had come by then varies from run to run."""


def diff_values(
    left: Any, right: Any, where: str, ignore: IgnorePaths | None = None, names: FieldNames | None = None
) -> Iterator[Change]:
    """Yield the differences between two JSON values, leaf by leaf; lists are compared by position.

    ``names`` gives the keys their names in the ``.proto`` file. Without it, protoc's default JSON names are assumed for
    ignore paths that are written in proto names.
    """
    cursor = (ignore or IgnorePaths()).within(where.partition(" ")[0])
    yield from _diff(left, right, where, (), cursor, names or FieldNames())


def _diff(
    left: Any, right: Any, where: str, steps: tuple[Step, ...], cursor: PathCursor, names: FieldNames
) -> Iterator[Change]:
    if cursor.is_ignored():
        return
    if _same(left, right):
        cursor.mark_matched(left, names)
    elif isinstance(left, dict) and isinstance(right, dict):
        for key in [*left, *(key for key in right if key not in left)]:
            yield from _diff_in(left, right, where, (*steps, key), *cursor.descend(key, names))
    elif isinstance(left, list) and isinstance(right, list):
        pairs = dict(enumerate(left)), dict(enumerate(right))
        for index in range(max(len(left), len(right))):
            yield from _diff_in(*pairs, where, (*steps, index), *cursor.descend(index, names))
    else:
        yield Change(where, path_text(steps), ChangeKind.CHANGED, left, right)


def _diff_in(
    left: dict[Any, Any],
    right: dict[Any, Any],
    where: str,
    steps: tuple[Step, ...],
    cursor: PathCursor,
    names: FieldNames,
) -> Iterator[Change]:
    key = steps[-1]
    if key in left and key in right:
        yield from _diff(left[key], right[key], where, steps, cursor, names)
        return
    if cursor.is_ignored():
        return
    cursor.mark_matched(left.get(key, right.get(key)), names)
    if key in left:
        yield Change(where, path_text(steps), ChangeKind.REMOVED, left[key])
    else:
        yield Change(where, path_text(steps), ChangeKind.ADDED, None, right[key])


def _same(left: Any, right: Any) -> bool:
    """Equality of JSON values: true and 1 differ, 1 and 1.0 do not."""
    return left == right and isinstance(left, bool) == isinstance(right, bool) and _same_bools(left, right)


def _same_bools(left: Any, right: Any) -> bool:
    if isinstance(left, dict):
        return all(_same(value, right[key]) for key, value in left.items())
    if isinstance(left, list):
        return all(_same(one, other) for one, other in zip(left, right, strict=True))
    return True


def diff_messages(
    left: DecodedMessage,
    right: DecodedMessage,
    where: str,
    ignore: IgnorePaths | None = None,
    resolver: TypeResolver | None = None,
) -> list[Change]:
    """The differences between two messages: of their values, or of their bytes if one cannot be decoded.

    Values that differ while their JSON is the same differ, too. ``resolver`` knows the types of Anys, whose content is
    compared by its bytes without it.
    """
    ignore = ignore or IgnorePaths()
    cursor, names = ignore.within(where.partition(" ")[0]), FieldNames(left.descriptor)
    if cursor.is_ignored():
        return []
    resolver = resolver or ChainResolver(())
    if _is_equal(left, right, resolver):
        cursor.mark_matched(left.json, names)
        return []
    if left.error or right.error:
        return [Change(where, "", ChangeKind.CHANGED, _describe_bytes(left), _describe_bytes(right))]
    changes = list(diff_values(left.json, right.json, where, ignore, names))
    return changes + _hidden_changes(left, right, where, ignore, names, resolver)


def _is_equal(left: DecodedMessage, right: DecodedMessage, resolver: TypeResolver) -> bool:
    """Whether two messages are the same bytes, or differ only where canonical protobuf sees no difference."""
    if left.data is None or right.data is None:
        return False
    if left.data == right.data:
        return True
    descriptor = left.descriptor
    if descriptor is None or right.descriptor is None or descriptor.full_name != right.descriptor.full_name:
        return False
    return bool(same_content(left.data, right.data, descriptor, resolver))


def _hidden_changes(
    left: DecodedMessage,
    right: DecodedMessage,
    where: str,
    ignore: IgnorePaths,
    names: FieldNames,
    resolver: TypeResolver,
) -> list[Change]:
    """The differences between two messages that their JSON does not show."""
    exact = []
    for item in (left, right):
        if item.data is None or item.descriptor is None:
            return []
        try:
            exact.append(exact_value(item.data, item.descriptor, resolver))
        except (DecodeError, RecursionError):
            return []
    visible = {change.path for change in diff_values(left.json, right.json, where, names=names)}
    hidden = [
        _hidden_change(change)
        for change in diff_values(exact[0], exact[1], where, ignore, names)
        if not any(_is_within(change.path, path) or _is_within(path, change.path) for path in visible)
    ]
    if hidden or visible or any(diff_values(exact[0], exact[1], where, names=names)):
        return hidden
    return [
        Change(where, "", ChangeKind.CHANGED, _describe_bytes(left), f"{_describe_bytes(right)} ({_HIDDEN})")
    ]


def _hidden_change(change: Change) -> Change:
    path, note = change.path, _HIDDEN
    if path.endswith(_UNKNOWN_STEP):
        path, note = path.removesuffix(_UNKNOWN_STEP), f"{UNKNOWN_FIELDS} differ"
    left, right = _describe_leaf(change.left), _describe_leaf(change.right)
    return Change(change.where, path, ChangeKind.CHANGED, left, f"{right} ({note})")


def _describe_leaf(value: Any) -> str:
    if not isinstance(value, Leaf):
        return "not set" if value is None else "set"
    text = "" if value.json is None else f"{json.dumps(value.json, ensure_ascii=False)}, "
    return text + _describe_data(value.data)


def _is_within(path: str, outer: str) -> bool:
    """Whether a path is another one, or leads to a part of it."""
    return path == outer or (path.startswith(outer) and (not outer or path[len(outer)] in ".["))


def _describe_bytes(message: DecodedMessage) -> str:
    return message.error if message.data is None else _describe_data(message.data)


def _describe_data(data: bytes) -> str:
    more = "…" if len(data) > _SHOWN_BYTES else ""
    return f"{len(data)} bytes: {data[:_SHOWN_BYTES].hex()}{more}" if data else "0 bytes"


def diff_calls(
    left: Call,
    right: Call,
    left_decoding: DecodedCall,
    right_decoding: DecodedCall,
    *,
    ignore: IgnorePaths | None = None,
    secrets: Secrets | None = None,
) -> list[Change]:
    """The differences between two calls: requests, responses, metadata and status, but not times.

    Metadata values that ``secrets`` masks are compared and not shown; values that are masked in a recording cannot be
    compared. If both calls were ended from the client's side (:data:`CLIENT_ENDED`), only the responses that both have
    are compared, and the status without its message.
    """
    ignore = ignore or IgnorePaths()
    secrets = secrets or Secrets()
    client_ended = left.ended_by in CLIENT_ENDED and right.ended_by in CLIENT_ENDED
    changes: list[Change] = []
    if left.method != right.method:
        changes.append(Change("call", "method", ChangeKind.CHANGED, left.method, right.method))
    for direction in Direction:
        before, after = (
            [item for item in decoding.messages if item.direction is direction]
            for decoding in (left_decoding, right_decoding)
        )
        if client_ended and direction is Direction.RESPONSE:
            before, after = before[: len(after)], after[: len(before)]
        resolver = ChainResolver((left_decoding.resolver, right_decoding.resolver))
        changes += _diff_streams(before, after, direction, ignore, resolver)
    for where, one, other in _blocks(left, right, client_ended=client_ended):
        one, other = _comparable(one, other)  # noqa: PLW2901 (narrowed)
        changes += diff_values(_grouped(one, secrets), _grouped(other, secrets), where, ignore)
    left_status = _status(left, left_decoding, with_message=not client_ended)
    right_status = _status(right, right_decoding, with_message=not client_ended)
    changes += diff_values(left_status, right_status, "status", ignore)
    return [_mask_change(change) for change in changes]


def _blocks(left: Call, right: Call, *, client_ended: bool) -> Iterator[tuple[str, Metadata, Metadata]]:
    yield (
        "metadata request",
        application_metadata(left.request_metadata),
        application_metadata(right.request_metadata),
    )
    initial = left.initial_metadata, right.initial_metadata
    if not (client_ended and None in initial):
        yield (
            "initial metadata",
            application_metadata(initial[0] or ()),
            application_metadata(initial[1] or ()),
        )
    trailing = left.trailing_metadata, right.trailing_metadata
    yield "trailing metadata", _without_details(trailing[0]), _without_details(trailing[1])


def _comparable(left: Metadata, right: Metadata) -> tuple[Metadata, Metadata]:
    """Both blocks without the keys that both have and that are masked in either."""
    masked = {key for key, value in (*left, *right) if value == MASK}
    masked &= {key for key, _ in left} & {key for key, _ in right}
    one, other = (tuple(item for item in block if item[0] not in masked) for block in (left, right))
    return one, other


def _without_details(trailing: Metadata | None) -> Metadata:
    """Trailers without the status details, which are compared as part of the status."""
    return tuple(item for item in application_metadata(trailing or ()) if item[0] != GRPC_STATUS_DETAILS)


def _diff_streams(
    left: Sequence[DecodedMessage],
    right: Sequence[DecodedMessage],
    direction: Direction,
    ignore: IgnorePaths,
    resolver: TypeResolver,
) -> Iterator[Change]:
    """Messages are compared by their position in their direction."""
    for position in range(max(len(left), len(right))):
        where = f"{direction.value} {position}"
        if ignore.within(direction.value).is_ignored():
            return
        if position >= len(right):
            yield Change(where, "", ChangeKind.REMOVED, _json_or_bytes(left[position]))
        elif position >= len(left):
            yield Change(where, "", ChangeKind.ADDED, None, _json_or_bytes(right[position]))
        else:
            yield from diff_messages(left[position], right[position], where, ignore, resolver)


def _json_or_bytes(message: DecodedMessage) -> Any:
    return _describe_bytes(message) if message.error else message.json


@dataclass(frozen=True, slots=True)
class _Secret:
    """A metadata value that is compared, and shown masked."""

    value: str | bytes


def _grouped(metadata: Metadata, secrets: Secrets) -> dict[str, Any]:
    """Values by key. The order of a key's values matters, the order of keys does not."""
    grouped: dict[str, list[Any]] = {}
    for key, value in metadata:
        shown: Any = value.hex() if isinstance(value, bytes) else value
        grouped.setdefault(key, []).append(_Secret(value) if secrets.masks(key) else shown)
    return {key: values[0] if len(values) == 1 else values for key, values in grouped.items()}


def _mask_change(change: Change) -> Change:
    return Change(
        change.where, change.path, change.kind, _mask_values(change.left), _mask_values(change.right)
    )


def _mask_values(value: Any) -> Any:
    if isinstance(value, list):
        return [_mask_values(item) for item in value]
    return MASK if isinstance(value, _Secret) else value


def _status(call: Call, decoding: DecodedCall, *, with_message: bool) -> dict[str, Any]:
    """The status as JSON; details that cannot be decoded as hexadecimal bytes."""
    if call.status is None:
        return {"code": None}
    raw = call.status.details
    details = decoding.details if decoding.details is not None or raw is None else raw.hex()
    message = {"message": call.status.message} if with_message else {}
    return {"code": call.status.name, **message, "details": details}
