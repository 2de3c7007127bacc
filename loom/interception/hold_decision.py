"""What a person decides on a held item, checked and turned into a decision. Pure."""

from dataclasses import dataclass
from typing import Any

from loom.api.holds import Continuation, FieldEdit, HoldAction
from loom.codec import ChainResolver, EncodeError, encode
from loom.codec.field_path import PathError
from loom.errors import LoomError
from loom.model import Metadata, Status, StatusCode
from loom.model.interception import (
    CallStart,
    Decision,
    FinalStatus,
    HeaderBlock,
    Item,
    MessageItem,
    Point,
)
from loom.model.metadata import GRPC_STATUS_DETAILS

from .actions import MAX_MESSAGE, MESSAGE_POINTS
from .call_holds import CallHolds
from .call_rules import Types
from .errors import EditError
from .field_operations import DeleteValue, Operation, SetValue
from .hold import Hold
from .holds import Holds
from .rule_actions import field_edit

CANCELLED = FinalStatus(Status(StatusCode.CANCELLED, "cancelled at a breakpoint"))
"""What the client gets of a call that a person cancels."""

_INSERTION_POINTS = MESSAGE_POINTS | {Point.HALF_CLOSE, Point.STATUS}
NOTHING: Any = object()
"""The ``json`` of an edit without one."""
_NO_TYPES = ChainResolver(())


class HoldError(LoomError):
    """A decision does not fit the item, which stays held. ``field`` says which part of the decision."""

    def __init__(self, message: str, field: str = "action") -> None:
        super().__init__(message)
        self.field = field


class HoldOverError(LoomError):
    """The item can no longer go on: its call is over, or it was decided on meanwhile."""


@dataclass(frozen=True, slots=True)
class ItemEdit:
    """How an item is edited; None leaves a part as it is.

    ``json`` is a whole message, ``fields`` are single fields of one; ``timeout`` is in seconds, with 0 for none.
    """

    json: Any = NOTHING
    fields: tuple[FieldEdit, ...] = ()
    data: bytes | None = None
    metadata: Metadata | None = None
    final: FinalStatus | None = None
    timeout: float | None = None

    @property
    def has_message(self) -> bool:
        """Whether it edits a message."""
        return self.json is not NOTHING or bool(self.fields) or self.data is not None

    @property
    def is_empty(self) -> bool:
        """Whether it edits nothing."""
        return not self.has_message and (self.metadata, self.final, self.timeout) == (None, None, None)


def edit_item(item: Item, edit: ItemEdit, types: Types | None, point: Point) -> Item:
    """The item as edited; raises :class:`HoldError`. ``types`` are those of the call's messages, None if not known."""
    _check_parts(item, edit, point)
    match item:
        case MessageItem():
            return MessageItem(_edit_data(item.data, edit, types, point), recorded=item.recorded)
        case HeaderBlock() if edit.metadata is not None:
            return HeaderBlock(edit.metadata)
        case FinalStatus():
            return _edit_final(item, edit)
        case CallStart() if edit.timeout is not None:
            return CallStart(edit.timeout or None)
    return item


def _check_parts(item: Item, edit: ItemEdit, point: Point) -> None:
    if edit.has_message and not isinstance(item, MessageItem):
        raise HoldError(f"no message to edit at {point}", "fields" if edit.fields else "json")
    if edit.metadata is not None and not isinstance(item, HeaderBlock | FinalStatus):
        raise HoldError(f"no metadata to edit at {point}", "metadata")
    if edit.final is not None and not isinstance(item, FinalStatus):
        raise HoldError(f"no status to edit at {point}: the action 'answer' ends the call with one", "status")
    if edit.timeout is not None and not isinstance(item, CallStart):
        raise HoldError(f"there is no deadline at {point}, only at {Point.START}", "deadline_ms")


def _edit_data(data: bytes, edit: ItemEdit, types: Types | None, point: Point) -> bytes:
    if edit.data is not None:
        data = edit.data
    descriptor = None if types is None else types.of(point)
    if edit.json is not NOTHING:
        if descriptor is None or types is None:
            raise HoldError(f"{_no_schema(types)}: edit its fields by their numbers", "json")
        try:
            data = encode(edit.json, descriptor, types.resolver, data)
        except EncodeError as error:
            raise HoldError(str(error), f"json.{error.path}" if error.path else "json") from error
    for number, item in enumerate(edit.fields):
        operation: Operation = DeleteValue() if item.delete else SetValue(item.value)
        try:
            change, needs_schema = field_edit(item.path, operation)
            if needs_schema and descriptor is None:
                raise HoldError(
                    f"{_no_schema(types)}: name fields by their numbers", f"fields[{number}].path"
                )
            data = change(data, descriptor, _NO_TYPES if types is None else types.resolver)
        except PathError as error:
            text = f"{error.text!r}, column {error.column}: {error}"
            raise HoldError(text, f"fields[{number}].path") from error
        except (EditError, ValueError, RecursionError) as error:
            raise HoldError(str(error), f"fields[{number}]") from error
    if len(data) > MAX_MESSAGE:
        raise HoldError(f"the message would have {len(data):,} bytes, more than {MAX_MESSAGE:,}", "json")
    return data


def _no_schema(types: Types | None) -> str:
    return "the schema of the message is not known" + (
        f" ({types.problem})" if types and types.problem else ""
    )


def _edit_final(item: FinalStatus, edit: ItemEdit) -> FinalStatus:
    if edit.metadata is not None:
        trailing = edit.metadata
        item = FinalStatus(item.status, trailing)
    if edit.final is not None:
        keys = {key for key, _ in edit.final.trailing} | {GRPC_STATUS_DETAILS}
        others = tuple(pair for pair in item.trailing if pair[0] not in keys)
        item = FinalStatus(edit.final.status, (*others, *edit.final.trailing))
    return item


def decide(
    holds: Holds,
    hold: Hold,
    action: HoldAction,
    edit: ItemEdit,
    types: Types | None,
    then: Continuation = Continuation.STAY,
) -> None:
    """Carry out what a person decides on a held item.

    Raises :class:`HoldError` if it does not fit the item, which stays held, and :class:`HoldOverError`.
    """
    if hold.over and action is HoldAction.DROP:
        holds.discard(hold)
        return
    if action is HoldAction.EDIT:
        if edit.is_empty:
            raise HoldError("nothing was edited")
        holds.save(hold, edit_item(hold.item, edit, types, hold.point))
        return
    if hold.over:
        raise HoldOverError("the call is over: the item can only be dropped, or sent again by a replay")
    decision = _decision(hold, action, edit, types)
    call = hold.call
    if isinstance(call, CallHolds):
        call.go_on(then, hold.names, hold.breakpoints)
        if decision.end is not None:
            call.end()
    if not holds.decide(hold, decision):
        raise HoldOverError("the item is not held any more: it was decided on, or its call is over")
    if then is Continuation.RUN:
        holds.resume("sent: the call runs", call=call)


def _decision(hold: Hold, action: HoldAction, edit: ItemEdit, types: Types | None) -> Decision:
    match action:
        case HoldAction.SEND | HoldAction.EDIT:
            item = hold.item if edit.is_empty else edit_item(hold.item, edit, types, hold.point)
            is_edited = item != hold.items[hold.subject]
            return hold.decision(_replace(hold, item), "edited and sent" if is_edited else "sent")
        case HoldAction.DROP:
            _check_point(hold, action, MESSAGE_POINTS)
            return hold.decision(_replace(hold), "dropped")
        case HoldAction.DUPLICATE:
            _check_point(hold, action, MESSAGE_POINTS)
            return hold.decision(_replace(hold, hold.item, hold.item), "sent twice")
        case HoldAction.INSERT_BEFORE | HoldAction.INSERT_AFTER:
            return _insert(hold, action, edit, types)
        case HoldAction.ANSWER:
            if edit.final is None:
                raise HoldError("to answer takes a status, as in {'code': 'NOT_FOUND'}", "status")
            trailing = (*edit.final.trailing, *(edit.metadata or ()))
            final = FinalStatus(edit.final.status, trailing)
            return hold.decision((), f"answered with {final.status.name}", final)
        case HoldAction.CANCEL:
            return hold.decision((), "the call was cancelled", CANCELLED)


def _insert(hold: Hold, action: HoldAction, edit: ItemEdit, types: Types | None) -> Decision:
    is_before = action is HoldAction.INSERT_BEFORE
    _check_point(hold, action, _INSERTION_POINTS if is_before else MESSAGE_POINTS)
    if not edit.has_message:
        raise HoldError("to insert takes a message, as 'json' or 'fields'", "json")
    message = edit_item(MessageItem(b""), edit, types, hold.point)
    items = (message, hold.item) if is_before else (hold.item, message)
    return hold.decision(_replace(hold, *items), f"a message inserted {'before' if is_before else 'after'}")


def _replace(hold: Hold, *items: Item) -> tuple[Item, ...]:
    return (*hold.items[: hold.subject], *items, *hold.items[hold.subject + 1 :])


def _check_point(hold: Hold, action: HoldAction, points: frozenset[Point]) -> None:
    if hold.point not in points:
        places = ", ".join(sorted(points))
        raise HoldError(f"'{action}' is not possible at {hold.point}, only at {places}")
