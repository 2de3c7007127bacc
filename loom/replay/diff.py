"""What differs between two calls or two messages: structural, on decoded values. Pure.

Paths name fields of a message (``items[2].price``); :mod:`~loom.replay.ignore_paths` says how one leaves them out.
"""

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from loom.decoding.call_decoder import DecodedCall
from loom.decoding.message_decoder import DecodedMessage
from loom.model import MASK, Call, Direction, EndedBy, Metadata, Secrets, application_metadata
from loom.model.metadata import GRPC_STATUS_DETAILS

from .ignore_paths import IgnorePaths, Names, Remaining, Step, path_text

_SHOWN_BYTES = 64
CLIENT_ENDED = frozenset({EndedBy.CLIENT, EndedBy.DEADLINE})


class ChangeKind(enum.StrEnum):
    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Change:
    """``where`` is the place ("response 0", "status", "trailing metadata"), ``path`` the field in it.

    ``left`` and ``right`` are JSON values; None on the side where there is nothing.
    """

    where: str
    path: str
    kind: ChangeKind
    left: Any = None
    right: Any = None

    def as_json(self) -> dict[str, Any]:
        """As in docs/api.md."""
        return {
            "where": self.where,
            "path": self.path,
            "kind": self.kind.value,
            "left": self.left,
            "right": self.right,
        }


def diff_values(
    left: Any, right: Any, where: str, ignored: IgnorePaths | None = None, names: Names | None = None
) -> Iterator[Change]:
    """What differs between two JSON values, leaf by leaf; lists are compared by position.

    ``names`` are those of the keys; without, paths to ignore that are written as in a ``.proto`` file are guessed at.
    """
    remaining = (ignored or IgnorePaths()).within(where.partition(" ")[0])
    yield from _diff(left, right, where, (), remaining, names or Names())


def _diff(
    left: Any, right: Any, where: str, steps: tuple[Step, ...], remaining: Remaining, names: Names
) -> Iterator[Change]:
    if remaining.covers():
        return
    if _same(left, right):
        remaining.look(left, names)
    elif isinstance(left, dict) and isinstance(right, dict):
        for key in [*left, *(key for key in right if key not in left)]:
            yield from _diff_in(left, right, where, (*steps, key), *remaining.below(key, names))
    elif isinstance(left, list) and isinstance(right, list):
        pairs = dict(enumerate(left)), dict(enumerate(right))
        for index in range(max(len(left), len(right))):
            yield from _diff_in(*pairs, where, (*steps, index), *remaining.below(index, names))
    else:
        yield Change(where, path_text(steps), ChangeKind.CHANGED, left, right)


def _diff_in(
    left: dict[Any, Any],
    right: dict[Any, Any],
    where: str,
    steps: tuple[Step, ...],
    remaining: Remaining,
    names: Names,
) -> Iterator[Change]:
    key = steps[-1]
    if key in left and key in right:
        yield from _diff(left[key], right[key], where, steps, remaining, names)
        return
    if remaining.covers():
        return
    remaining.look(left.get(key, right.get(key)), names)
    if key in left:
        yield Change(where, path_text(steps), ChangeKind.REMOVED, left[key])
    else:
        yield Change(where, path_text(steps), ChangeKind.ADDED, None, right[key])


def _same(left: Any, right: Any) -> bool:
    """Equality in which true is not 1 (they are in Python); 1 and 1.0 are one number in JSON."""
    return left == right and isinstance(left, bool) == isinstance(right, bool) and _booleans(left, right)


def _booleans(left: Any, right: Any) -> bool:
    if isinstance(left, dict):
        return all(_same(value, right[key]) for key, value in left.items())
    if isinstance(left, list):
        return all(_same(one, other) for one, other in zip(left, right, strict=True))
    return True


def diff_messages(
    left: DecodedMessage, right: DecodedMessage, where: str, ignored: IgnorePaths | None = None
) -> list[Change]:
    """What differs between two messages: their values, or their bytes where one has no value."""
    ignored = ignored or IgnorePaths()
    remaining, names = ignored.within(where.partition(" ")[0]), Names(left.descriptor)
    if remaining.covers():
        return []
    if left.data is not None and left.data == right.data:
        remaining.look(left.json, names)
        return []
    if left.error or right.error:
        return [Change(where, "", ChangeKind.CHANGED, _bytes(left), _bytes(right))]
    changes = list(diff_values(left.json, right.json, where, ignored, names))
    if not changes and left.data != right.data and (left.unknown_fields or right.unknown_fields):
        note = "fields that the schema does not know differ"
        changes.append(Change(where, "", ChangeKind.CHANGED, _bytes(left), f"{_bytes(right)} ({note})"))
    return changes


def _bytes(message: DecodedMessage) -> str:
    if message.data is None:
        return message.error
    more = "…" if len(message.data) > _SHOWN_BYTES else ""
    return f"{len(message.data)} bytes: {message.data[:_SHOWN_BYTES].hex()}{more}"


def diff_calls(
    left: Call,
    right: Call,
    left_decoding: DecodedCall,
    right_decoding: DecodedCall,
    *,
    ignored: IgnorePaths | None = None,
    secrets: Secrets | None = None,
) -> list[Change]:
    """What differs between two calls: what was sent, what came back, metadata, status. Times do not count.

    Values of metadata that ``secrets`` masks are compared and not shown; those that were masked when a call was written
    cannot be compared. How far a backend had come when its client or the deadline ended the call is chance, as is the
    wording of that end: of two such calls, what both have of the answer is compared.
    """
    ignored = ignored or IgnorePaths()
    secrets = secrets or Secrets()
    cut_short = left.ended_by in CLIENT_ENDED and right.ended_by in CLIENT_ENDED
    changes: list[Change] = []
    if left.method != right.method:
        changes.append(Change("call", "method", ChangeKind.CHANGED, left.method, right.method))
    for direction in Direction:
        before, after = (
            [item for item in decoding.messages if item.direction is direction]
            for decoding in (left_decoding, right_decoding)
        )
        if cut_short and direction is Direction.RESPONSE:
            before, after = before[: len(after)], after[: len(before)]
        changes += _diff_streams(before, after, direction, ignored)
    for where, one, other in _blocks(left, right, cut_short=cut_short):
        one, other = _known(one, other)  # noqa: PLW2901 (what is left of them)
        changes += diff_values(_grouped(one, secrets), _grouped(other, secrets), where, ignored)
    was = _status(left, left_decoding, worded=not cut_short)
    now = _status(right, right_decoding, worded=not cut_short)
    changes += diff_values(was, now, "status", ignored)
    return [_masked(change) for change in changes]


def _blocks(left: Call, right: Call, *, cut_short: bool) -> Iterator[tuple[str, Metadata, Metadata]]:
    yield (
        "metadata request",
        application_metadata(left.request_metadata),
        application_metadata(right.request_metadata),
    )
    initial = left.initial_metadata, right.initial_metadata
    if not (cut_short and None in initial):
        yield (
            "initial metadata",
            application_metadata(initial[0] or ()),
            application_metadata(initial[1] or ()),
        )
    trailing = left.trailing_metadata, right.trailing_metadata
    yield "trailing metadata", _without_details(trailing[0]), _without_details(trailing[1])


def _known(left: Metadata, right: Metadata) -> tuple[Metadata, Metadata]:
    """Without the keys that both have and one has masked: whether the values are the same, nobody knows."""
    masked = {key for key, value in (*left, *right) if value == MASK}
    masked &= {key for key, _ in left} & {key for key, _ in right}
    one, other = (tuple(item for item in block if item[0] not in masked) for block in (left, right))
    return one, other


def _without_details(trailing: Metadata | None) -> Metadata:
    """Trailers but the status details, which are compared as part of the status."""
    return tuple(item for item in application_metadata(trailing or ()) if item[0] != GRPC_STATUS_DETAILS)


def _diff_streams(
    left: Sequence[DecodedMessage],
    right: Sequence[DecodedMessage],
    direction: Direction,
    ignored: IgnorePaths,
) -> Iterator[Change]:
    """Messages are compared by their position in their direction."""
    for position in range(max(len(left), len(right))):
        where = f"{direction.value} {position}"
        if ignored.within(direction.value).covers():
            return
        if position >= len(right):
            yield Change(where, "", ChangeKind.REMOVED, _shown(left[position]))
        elif position >= len(left):
            yield Change(where, "", ChangeKind.ADDED, None, _shown(right[position]))
        else:
            yield from diff_messages(left[position], right[position], where, ignored)


def _shown(message: DecodedMessage) -> Any:
    return _bytes(message) if message.error else message.json


@dataclass(frozen=True, slots=True)
class _Secret:
    """A masked value: compared by what it is, shown as what it may be."""

    value: str | bytes


def _grouped(metadata: Metadata, secrets: Secrets) -> dict[str, Any]:
    """Values by key: their order within a key matters, the order of keys does not."""
    grouped: dict[str, list[Any]] = {}
    for key, value in metadata:
        shown: Any = value.hex() if isinstance(value, bytes) else value
        grouped.setdefault(key, []).append(_Secret(value) if secrets.masks(key) else shown)
    return {key: values[0] if len(values) == 1 else values for key, values in grouped.items()}


def _masked(change: Change) -> Change:
    return Change(change.where, change.path, change.kind, _hide(change.left), _hide(change.right))


def _hide(value: Any) -> Any:
    if isinstance(value, list):
        return [_hide(item) for item in value]
    return MASK if isinstance(value, _Secret) else value


def _status(call: Call, decoding: DecodedCall, *, worded: bool) -> dict[str, Any]:
    """Details are compared as JSON where they can be read, by their bytes otherwise."""
    if call.status is None:
        return {"code": None}
    raw = call.status.details
    details = decoding.details if decoding.details is not None or raw is None else raw.hex()
    message = {"message": call.status.message} if worded else {}
    return {"code": call.status.name, **message, "details": details}
