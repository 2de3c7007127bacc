"""What rules and faults do at a point, compiled: edits of items, ends of calls, delays, holds.

Actions are pure: an edit gets the items that go on so far and returns those that go on instead. They act in stages (see
:class:`Stage`), whatever the order in a file.
"""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.descriptor import Descriptor

from loom.codec import CompressionError, TypeResolver, decompress
from loom.codec.wire_parser import LEN
from loom.codec.wire_records import join_records, make_record
from loom.model import Metadata
from loom.model.interception import CallStart, FinalStatus, HalfClose, HeaderBlock, Item, MessageItem, Point
from loom.model.metadata import GRPC_STATUS_DETAILS

from .amounts import Rate
from .errors import EditError
from .final_status import with_details
from .message_edit import Edit
from .selection import fraction

MAX_MESSAGE = 64 * 1024 * 1024
"""The most bytes of a message that an action makes."""

MESSAGE_POINTS = frozenset({Point.REQUEST_MESSAGE, Point.RESPONSE_MESSAGE})
REQUEST_POINTS = frozenset({Point.REQUEST_MESSAGE, Point.HALF_CLOSE})
METADATA_POINTS = frozenset({Point.REQUEST_METADATA, Point.RESPONSE_METADATA, Point.STATUS})
ALL_POINTS = frozenset(Point)
_PADDING_FIELD = 536_870_911  # the largest number of a field, which no schema is likely to use
_SIZE_HEADER = 16  # bytes, at most, of that field's tag and length


class Stage(enum.IntEnum):
    """The order in which the actions at a point are taken, over all rules."""

    END = 0
    EDIT = 1
    DELAY = 2
    HOLD = 3
    NOTE = 4


@dataclass(frozen=True, slots=True)
class ItemContext:
    """What an action may know: the type of the direction's messages (None without a schema), and where it is.

    ``draw`` is a number from 0 up to 1, of this rule, call, point and index. ``elapsed`` is in seconds since the
    previous item of this direction went on; None for the first.
    """

    point: Point
    index: int
    descriptor: Descriptor | None
    resolver: TypeResolver
    draw: float = 0.0


@dataclass(frozen=True, slots=True)
class ItemAction:
    """One action, at the ``points`` where it applies. ``effect`` is what it does in words.

    What it does is in the subclass for its stage.
    """

    points: frozenset[Point]
    effect: str

    @property
    def stage(self) -> Stage:
        raise NotImplementedError

    @property
    def needs_schema(self) -> bool:
        """Whether it needs the message's descriptor."""
        return False


@dataclass(frozen=True, slots=True)
class EndCall(ItemAction):
    """End the call with a status: instead of the item, or after it (``after``).

    ``details`` are those of the status that need the call's schema, as JSON.
    """

    final: FinalStatus
    after: bool = False
    details: tuple[Any, ...] = ()

    @property
    def needs_schema(self) -> bool:
        return bool(self.details)

    @property
    def stage(self) -> Stage:
        return Stage.END


@dataclass(frozen=True, slots=True)
class NeverAnswer(ItemAction):
    """Hold the item until the call ends otherwise, if ``after`` messages of its direction have gone before it."""

    after: int = 0

    @property
    def stage(self) -> Stage:
        return Stage.END


@dataclass(frozen=True, slots=True)
class CancelTarget(ItemAction):
    """Cancel the target's call, and let the client wait."""

    @property
    def stage(self) -> Stage:
        return Stage.END


@dataclass(frozen=True, slots=True)
class EditItems(ItemAction):
    """Change which items go on."""

    edit: Callable[[list[Item], ItemContext], list[Item]]
    with_schema: bool = False

    @property
    def stage(self) -> Stage:
        return Stage.EDIT

    @property
    def needs_schema(self) -> bool:
        return self.with_schema


@dataclass(frozen=True, slots=True)
class DelayItem(ItemAction):
    """Wait between ``shortest`` and ``longest`` seconds before the item goes on."""

    shortest: float
    longest: float

    @property
    def stage(self) -> Stage:
        return Stage.DELAY

    def seconds(self, draw: float) -> float:
        return self.shortest + (self.longest - self.shortest) * draw


@dataclass(frozen=True, slots=True)
class Throttle(ItemAction):
    """Let messages go on at a rate."""

    rate: Rate

    @property
    def stage(self) -> Stage:
        return Stage.DELAY

    def seconds(self, items: Sequence[Item]) -> float:
        """The time that these items take."""
        if self.rate.unit == "messages":
            return sum(isinstance(item, MessageItem) for item in items) / self.rate.per_second
        return sum(len(item.data) for item in items if isinstance(item, MessageItem)) / self.rate.per_second


@dataclass(frozen=True, slots=True)
class HoldItem(ItemAction):
    """Hold the item for a person."""

    @property
    def stage(self) -> Stage:
        return Stage.HOLD


@dataclass(frozen=True, slots=True)
class NoteItem(ItemAction):
    """Alter nothing, and note it on the call; ``applied`` is false where it is why something else was not done."""

    applied: bool = True

    @property
    def stage(self) -> Stage:
        return Stage.NOTE


def edit_messages(edit: Edit) -> Callable[[list[Item], ItemContext], list[Item]]:
    """Apply an edit to every message that goes on; raises :class:`EditError`."""

    def apply(items: list[Item], context: ItemContext) -> list[Item]:
        return [_edited(item, edit, context) if isinstance(item, MessageItem) else item for item in items]

    return apply


def _edited(item: MessageItem, edit: Edit, context: ItemContext) -> MessageItem:
    data = item.data
    if item.compressed:
        try:
            data = decompress(data, item.encoding or "gzip", MAX_MESSAGE)
        except CompressionError as error:
            raise EditError(f"the message cannot be decompressed: {error}") from error
    if len(data) > MAX_MESSAGE:
        raise EditError(f"the message has {len(data):,} bytes; at most {MAX_MESSAGE:,} can be edited")
    changed = edit(data, context.descriptor, context.resolver)
    if changed == data:
        return item
    if len(changed) > MAX_MESSAGE:
        raise EditError(f"the edited message would have {len(changed):,} bytes, more than {MAX_MESSAGE:,}")
    return MessageItem(changed)


def redact_messages(edit: Edit) -> Callable[[list[Item], ItemContext], list[Item]]:
    """Record an edited message in the place of what goes on unchanged."""

    def apply(items: list[Item], context: ItemContext) -> list[Item]:
        redacted: list[Item] = []
        for item in items:
            if isinstance(item, MessageItem):
                base = item if item.recorded is None else MessageItem(item.recorded)
                changed = _edited(base, edit, context)
                if changed is not base:
                    item = MessageItem(item.data, item.compressed, item.encoding, changed.data)  # noqa: PLW2901
            redacted.append(item)
        return redacted

    return apply


def drop_items(_items: list[Item], _context: ItemContext) -> list[Item]:
    """Nothing goes on."""
    return []


def copy_messages(count: int) -> Callable[[list[Item], ItemContext], list[Item]]:
    """Each message goes on ``count`` times."""

    def apply(items: list[Item], _context: ItemContext) -> list[Item]:
        return [copy for item in items for copy in [item] * (count if isinstance(item, MessageItem) else 1)]

    return apply


def insert_message(
    make: Callable[[ItemContext], bytes], *, after: bool
) -> Callable[[list[Item], ItemContext], list[Item]]:
    """A further message goes on before or after the item."""

    def apply(items: list[Item], context: ItemContext) -> list[Item]:
        message = MessageItem(make(context))
        return [*items, message] if after else [message, *items]

    return apply


def half_close(items: list[Item], _context: ItemContext) -> list[Item]:
    """The request ends after this message."""
    return items if any(isinstance(item, HalfClose) for item in items) else [*items, HalfClose()]


def corrupt_messages(how: str) -> Callable[[list[Item], ItemContext], list[Item]]:
    """Make messages invalid: ``flip`` one bit, ``truncate`` in the middle, or send ``garbage`` instead."""

    def apply(items: list[Item], context: ItemContext) -> list[Item]:
        return [
            MessageItem(_corrupt(item.data, how, context.draw), item.compressed, item.encoding)
            if isinstance(item, MessageItem)
            else item
            for item in items
        ]

    return apply


def _corrupt(data: bytes, how: str, draw: float) -> bytes:
    if how == "truncate":
        return data[: len(data) // 2] if len(data) > 1 else b"\x0a"
    if how == "garbage" or not data:
        return b"\xff" * max(len(data), 1)
    corrupted = bytearray(data)
    bit = int(draw * len(data) * 8)
    corrupted[bit // 8] ^= 1 << bit % 8
    return bytes(corrupted)


def enlarge_messages(size: int) -> Callable[[list[Item], ItemContext], list[Item]]:
    """Pad messages with an unknown field to about ``size`` bytes."""

    def apply(items: list[Item], _context: ItemContext) -> list[Item]:
        return [
            MessageItem(
                item.data + join_records([make_record(_PADDING_FIELD, LEN, bytes(size - len(item.data)))])
            )
            if isinstance(item, MessageItem) and not item.compressed and len(item.data) + _SIZE_HEADER < size
            else item
            for item in items
        ]

    return apply


@dataclass(frozen=True, slots=True)
class MetadataChange:
    """``set`` replaces all values of a key, ``add`` adds one, ``delete`` removes all."""

    set: Metadata = ()
    add: Metadata = ()
    delete: frozenset[str] = frozenset()

    def apply(self, metadata: Metadata) -> Metadata:
        """The changed block: a key that is set stays where it was first."""
        values = dict(self.set)
        changed: list[tuple[str, str | bytes]] = []
        keys_set: set[str] = set()
        for key, value in metadata:
            if key in self.delete:
                continue
            if key not in values:
                changed.append((key, value))
            elif key not in keys_set:
                keys_set.add(key)
                changed.append((key, values[key]))
        changed += [(key, value) for key, value in self.set if key not in keys_set]
        return (*changed, *self.add)


def edit_metadata(change: MetadataChange) -> Callable[[list[Item], ItemContext], list[Item]]:
    """Change a header block, or the trailers."""

    def apply(items: list[Item], _context: ItemContext) -> list[Item]:
        changed: list[Item] = []
        for item in items:
            if isinstance(item, HeaderBlock):
                item = HeaderBlock(change.apply(item.metadata))  # noqa: PLW2901
            elif isinstance(item, FinalStatus):
                item = FinalStatus(item.status, change.apply(item.trailing))  # noqa: PLW2901
            changed.append(item)
        return changed

    return apply


def replace_status(
    final: FinalStatus, details: Sequence[Any] = ()
) -> Callable[[list[Item], ItemContext], list[Item]]:
    """Another status in the place of the target's; its other trailers stay. ``details`` need the call's schema."""

    def apply(items: list[Item], context: ItemContext) -> list[Item]:
        status = with_details(final, details, context.resolver)
        return [_with_status(item, status) if isinstance(item, FinalStatus) else item for item in items]

    return apply


def _with_status(item: FinalStatus, final: FinalStatus) -> FinalStatus:
    keys = {key for key, _ in final.trailing} | {GRPC_STATUS_DETAILS}
    trailers = tuple(pair for pair in item.trailing if pair[0] not in keys)
    return FinalStatus(final.status, (*trailers, *final.trailing))


def set_timeout(timeout: float | None) -> Callable[[list[Item], ItemContext], list[Item]]:
    """Another deadline for the call to the target, in seconds from its start."""

    def apply(items: list[Item], _context: ItemContext) -> list[Item]:
        return [CallStart(timeout) if isinstance(item, CallStart) else item for item in items]

    return apply


def draw(seed: int, name: str, call: str, point: Point, index: int) -> float:
    """The number that decides within one call, from 0 up to 1."""
    return fraction(seed, name, call, point.value, str(index))


def with_points(action: Any, points: frozenset[Point]) -> Any:
    """The same action at other points."""
    return replace(action, points=points)
