"""A call as one line of text for the terminal."""

import time
from collections.abc import Callable

from loom.model import Call, EndedBy, StatusCode

from .palette import Palette

_NS = 1_000_000_000
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
_STATUS_WIDTH = 21  # FAILED_PRECONDITION and its sign
_METHOD_WIDTH = 36
_CLOCK_WIDTH = 12
_NARROW = 72  # columns of a line, below which the status takes no more than it needs
_NARROW_STATUS = 13  # UNAVAILABLE and its sign
_KIND_SIGNS = {"unary": "→", "server": "⇇", "client": "⇉", "bidi": "⇄"}
_MINUTE = 60
_KIB = 1024


def ended_line(call: Call, palette: Palette, width: int | None = None) -> str:
    """``12:03:04.567 ✓ OK  /pkg.Service/Method  ⇄ bidi  ↑3 120B ↓5 2.1KiB  14.2ms`` and why, if it failed.

    One that has not ended yet is shown as far as it is known. Where the method would not fit into ``width``, its
    package goes first, then its service: the rest of a line that is too long is for the caller to cut.
    """
    status_width = _STATUS_WIDTH if width is None or width >= _NARROW else _NARROW_STATUS
    sign, paint = _status(call, palette)
    status = f"{sign:<{status_width}}"
    room = None if width is None else width - _CLOCK_WIDTH - len(status) - 3
    took = "" if call.duration_ns is None else f"  {palette.strong(show_duration(call.duration_ns))}"
    line = (
        f"{_clock(call.ended_ns or call.started_ns, palette)} {paint(status)}"
        f" {_method(call, palette, room)}"
        f"  {_KIND_SIGNS[call.kind]} {call.kind:<6}"
        f"  ↑{call.request_messages} {show_bytes(call.request_bytes)}"
        f" ↓{call.response_messages} {show_bytes(call.response_bytes)}"
        f"{took}"
    )
    reason = call.status.message if call.is_error and call.status is not None else ""
    if call.ended_by is EndedBy.CLIENT and not reason:
        reason = "cancelled by the client"
    return f"{line}  {palette.dim(one_line(reason, 120))}" if reason else line


def started_line(call: Call, palette: Palette) -> str:
    """The same beginning, for a call that has just come in."""
    status = palette.doubtful(f"{'… started':<{_STATUS_WIDTH}}")
    clock = _clock(call.started_ns, palette)
    return f"{clock} {status} {_method(call, palette)}  from {call.peer or 'somewhere'}"


def show_count(count: int, noun: str) -> str:
    """``1 call``, ``2 calls``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def show_bytes(count: int) -> str:
    """``87B``, ``2.1KiB``, ``16.0MiB``."""
    if count < _KIB:
        return f"{count}B"
    size = float(count)
    for unit in ("KiB", "MiB"):
        size /= _KIB
        if size < _KIB:
            return f"{size:.1f}{unit}"
    return f"{size / _KIB:.1f}GiB"


def show_duration(time_ns: int) -> str:
    """``0.84ms``, ``14.2ms``, ``3.20s``, ``2m05s``."""
    seconds = time_ns / _NS
    if seconds < 0.01:  # noqa: PLR2004 (below ten milliseconds the second digit is telling)
        return f"{seconds * 1000:.2f}ms"
    if seconds < 1:
        return f"{seconds * 1000:.1f}ms"
    if seconds < _MINUTE:
        return f"{seconds:.2f}s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    return f"{minutes}m{rest:02d}s"


def one_line(text: str, limit: int) -> str:
    """Foreign text made harmless for a terminal: no control characters, not longer than ``limit``."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return cut.translate(_CONTROL)


def _shortened(method: str, room: int) -> str:
    """``…Users/Update``, or ``…/Update``: the name is what one reads for."""
    service, _, name = method.rpartition("/")
    short = f"…{service.rpartition('.')[2].lstrip('/')}/{name}"
    return short if len(short) <= room else f"…/{name}"


def _clock(time_ns: int, palette: Palette) -> str:
    seconds, rest = divmod(time_ns, _NS)
    return palette.dim(f"{time.strftime('%H:%M:%S', time.localtime(seconds))}.{rest // 1_000_000:03d}")


def _status(call: Call, palette: Palette) -> tuple[str, Callable[[str], str]]:
    """The status with its sign, and its colour."""
    if call.status is None:
        return "… live", palette.doubtful
    if call.status.code == StatusCode.OK:
        return "✓ OK", palette.good
    if call.status.code == StatusCode.CANCELLED:
        return "⊘ CANCELLED", palette.doubtful
    return f"✗ {call.status.name}", palette.bad


def _method(call: Call, palette: Palette, room: int | None = None) -> str:
    """The method, in at least so many columns as most need, if there are so many."""
    text = one_line(call.method, 200)
    if room is not None and len(text) > room:
        text = _shortened(text, room)
    service, slash, method = text.rpartition("/")
    padding = " " * max(0, min(_METHOD_WIDTH, _METHOD_WIDTH if room is None else room) - len(text))
    return f"{palette.dim(service + slash)}{palette.strong(method)}{padding}"
