"""Format a call as one line of text for a terminal."""

import time
from collections.abc import Callable

from loom.model import Call, EndedBy, StatusCode
from loom.units import format_bytes, format_duration

from .terminal import Palette, shorten

_NS = 1_000_000_000
_STATUS_WIDTH = 21  # FAILED_PRECONDITION and its sign
_METHOD_WIDTH = 36
_CLOCK_WIDTH = 12
_NARROW = 72  # columns of a line below which the status is not padded to its full width
_NARROW_STATUS = 13  # UNAVAILABLE and its sign
_KIND_SIGNS = {"unary": "→", "server": "⇇", "client": "⇉", "bidi": "⇄"}
_MAX_METHOD = 200
_MAX_REASON = 120
_MAX_NAMES = 80


def format_call(call: Call, palette: Palette, width: int | None = None) -> str:
    """``12:03:04.567 ✓ OK  /pkg.Service/Method  ⇄ bidi  ↑3 120 B ↓5 2.10 KiB  14.2 ms``.

    What acted on the call follows, and why it failed.

    The time is the start of the call. A call in flight has no duration. Where the method does not fit into ``width``
    columns, its package is dropped first, then its service; the caller cuts the rest of the line.
    """
    status_width = _STATUS_WIDTH if width is None or width >= _NARROW else _NARROW_STATUS
    status, paint = _status(call, palette)
    status = f"{status:<{status_width}}"
    method_width = None if width is None else width - _CLOCK_WIDTH - len(status) - 3
    duration = "" if call.duration_ns is None else f"  {palette.bold(format_duration(call.duration_ns))}"
    line = (
        f"{_clock(call.started_ns, palette)} {paint(status)}"
        f" {_method(call, palette, method_width)}"
        f"  {_KIND_SIGNS[call.kind]} {call.kind:<6}"
        f"  ↑{call.request_messages} {format_bytes(call.request_bytes)}"
        f" ↓{call.response_messages} {format_bytes(call.response_bytes)}"
        f"{duration}"
    )
    if call.acted:
        line = f"{line}  {palette.warning(_acted(call))}"
    reason = call.status.message if call.is_error and call.status is not None else ""
    if call.ended_by is EndedBy.CLIENT and not reason:
        reason = "cancelled by the client"
    return f"{line}  {palette.dim(shorten(reason, _MAX_REASON))}" if reason else line


def _acted(call: Call) -> str:
    """``altered by rule louder, fault flaky``, or ``acted on by …`` where everything went on as it came."""
    names = ", ".join(f"{kind} {name}" if name else kind.value for kind, name in call.acted)
    return f"{'altered' if call.modified else 'acted on'} by {shorten(names, _MAX_NAMES)}"


def format_start(call: Call, palette: Palette) -> str:
    """``12:03:04.567 … started  /pkg.Service/Method  from ipv4:127.0.0.1:5``."""
    status = palette.warning(f"{'… started':<{_STATUS_WIDTH}}")
    clock = _clock(call.started_ns, palette)
    return f"{clock} {status} {_method(call, palette)}  from {shorten(call.peer or 'unknown', _MAX_METHOD)}"


def _shorten_method(method: str, width: int) -> str:
    """``…Users/Update``, or ``…/Update`` if that does not fit either."""
    service, _, name = method.rpartition("/")
    short = f"…{service.rpartition('.')[2].lstrip('/')}/{name}"
    return short if len(short) <= width else f"…/{name}"


def _clock(time_ns: int, palette: Palette) -> str:
    seconds, fraction_ns = divmod(time_ns, _NS)
    return palette.dim(f"{time.strftime('%H:%M:%S', time.localtime(seconds))}.{fraction_ns // 1_000_000:03d}")


def _status(call: Call, palette: Palette) -> tuple[str, Callable[[str], str]]:
    """The status with its sign, and its colour."""
    if call.status is None:
        return "… in flight", palette.warning
    if call.status.code == StatusCode.OK:
        return "✓ OK", palette.success
    if call.status.code == StatusCode.CANCELLED:
        return "⊘ CANCELLED", palette.warning
    return f"✗ {call.status.name}", palette.error


def _method(call: Call, palette: Palette, width: int | None = None) -> str:
    """The method, padded to the usual width of methods as far as there is room."""
    text = shorten(call.method, _MAX_METHOD)
    if width is not None and len(text) > width:
        text = _shorten_method(text, width)
    service, slash, method = text.rpartition("/")
    padding = " " * max(0, min(_METHOD_WIDTH, _METHOD_WIDTH if width is None else width) - len(text))
    return f"{palette.dim(service + slash)}{palette.bold(method)}{padding}"
