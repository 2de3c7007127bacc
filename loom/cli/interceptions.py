"""Format what acted on a call, and what came in the place of what went on."""

from collections.abc import Iterator, Mapping

from loom.api.calls import CallDetail, Interception
from loom.api.messages import MessageView
from loom.runtime.terminal import Palette, shorten
from loom.units import format_bytes, format_count, format_duration

_MAX_LINE = 4000
_US = 1000
_MAX_HOLD_US = 1000  # a shorter one is only what deciding took


def interception_lines(
    call: CallDetail, originals: Mapping[int, MessageView], limit: int, palette: Palette
) -> Iterator[str]:
    """The first ``limit`` interceptions of a call; ``originals`` are messages that came, by their position there."""
    if not call.interceptions:
        return
    yield palette.bold("acted on")
    for number, item in enumerate(call.interceptions[:limit]):
        yield f"  {palette.warning(_place(item))}: {_safe(_actions(item))}{palette.dim(_outcome(item))}"
        for line in _came(item, originals.get(number)):
            yield f"    {palette.dim('came')} {_safe(line)}"
    more = max(len(call.interceptions) - limit, 0) + call.dropped_interceptions
    if more:
        yield palette.dim(f"  … and {format_count(more, 'more item')}")


def _place(item: Interception) -> str:
    """Messages are counted from 1, as in rules."""
    point = item.point.value.replace("-", " ")
    return f"{point} {item.index + 1}" if _is_message(item) else point


def _is_message(item: Interception) -> bool:
    return item.point.value.endswith("-message")


def _actions(item: Interception) -> str:
    return "; ".join(f"{action.kind} {action.name}: {action.effect}" for action in item.actions)


def _outcome(item: Interception) -> str:
    """What went on, as far as the messages below do not show it."""
    parts = []
    if item.altered and not item.count:
        parts.append("nothing went on in its place")
    elif _is_message(item) and item.altered and item.position is not None:
        last = item.position + item.count - 1
        parts.append(f"went on as message {item.position}" + (f" to {last}" if item.count > 1 else ""))
    if item.held_us >= _MAX_HOLD_US:
        parts.append(f"held for {format_duration(item.held_us * _US)}")
    return f" ({', '.join(parts)})" if parts else ""


def _came(item: Interception, original: MessageView | None) -> Iterator[str]:
    if original is not None:
        if original.json_text:
            yield from original.json_text.splitlines()
        else:
            yield f"{format_bytes(original.size)}: {original.hex or ''}"
    elif item.original_size is not None and not item.original_held:
        yield f"{format_bytes(item.original_size)}, which are not held"
    if item.status is not None:
        message = f": {item.status.message}" if item.status.message else ""
        yield f"{item.status.name} ({item.status.code}){message}"
    for entry in item.metadata or ():
        yield f"{entry.key}: {entry.value}"


def _safe(text: str) -> str:
    return shorten(text, _MAX_LINE)
