"""What is recorded of a decision on an item."""

from collections.abc import Sequence
from typing import Any

from .interception import Decision, FinalStatus, HeaderBlock, Item, MessageItem


def describe_decision(item: Item, items: Sequence[Item], decision: Decision) -> dict[str, Any] | None:
    """The fields of an :class:`.events.Intercepted` from ``altered`` on; None where an item passes untouched.

    ``items`` are those of the decision that are sent.
    """
    counted = [other for other in items if type(item) is not MessageItem or type(other) is MessageItem]
    copies = [place for place, other in enumerate(counted) if _goes_on(item, other)]
    altered = decision.end is not None or decision.cancel_target or len(copies) != 1 or len(items) != 1
    if not (altered or decision.actions):
        return None
    fields: dict[str, Any] = {
        "altered": altered,
        "count": len(counted),
        "kept": copies[0] if copies else None,
    }
    if copies:  # of what is forwarded as it came, one copy is enough
        return fields
    if isinstance(item, MessageItem):
        fields |= {"compressed": item.compressed, "encoding": item.encoding}
        if any(isinstance(other, MessageItem) and other.recorded is not None for other in items):
            fields["lost"] = len(item.data)  # what is redacted is in what came, too
        else:
            fields["data"] = item.data
    elif isinstance(item, HeaderBlock):
        fields["metadata"] = item.metadata
    elif isinstance(item, FinalStatus):
        fields |= {"metadata": item.trailing, "status": item.status}
    return fields


def _goes_on(item: Item, other: Item) -> bool:
    """Whether an item goes on as another one that is equal, but for what is recorded of it."""
    if isinstance(item, MessageItem) and isinstance(other, MessageItem):
        return item.data == other.data and item.compressed == other.compressed
    return item == other
