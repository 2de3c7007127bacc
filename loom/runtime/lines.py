"""A call as one line of text for the terminal."""

import time

from loom.model import Call, EndedBy, StatusCode

from .palette import Palette

_NS = 1_000_000_000
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
_STATUS_WIDTH = 21  # FAILED_PRECONDITION and its sign
_METHOD_WIDTH = 36
_KIND_SIGNS = {"unary": "→", "server": "⇇", "client": "⇉", "bidi": "⇄"}
_MINUTE = 60
_KIB = 1024


def ended_line(call: Call, palette: Palette) -> str:
    """``12:03:04.567 ✓ OK  /pkg.Service/Method  ⇄ bidi  ↑3 120B ↓5 2.1KiB  14.2ms`` and why, if it failed.

    One that has not ended yet is shown as far as it is known.
    """
    took = "" if call.duration_ns is None else f"  {palette.strong(show_duration(call.duration_ns))}"
    line = (
        f"{_clock(call.ended_ns or call.started_ns, palette)} {_status(call, palette)}"
        f" {_method(call, palette)}"
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


def _clock(time_ns: int, palette: Palette) -> str:
    seconds, rest = divmod(time_ns, _NS)
    return palette.dim(f"{time.strftime('%H:%M:%S', time.localtime(seconds))}.{rest // 1_000_000:03d}")


def _status(call: Call, palette: Palette) -> str:
    if call.status is None:
        return palette.doubtful(f"{'… live':<{_STATUS_WIDTH}}")
    if call.status.code == StatusCode.OK:
        return palette.good(f"{'✓ OK':<{_STATUS_WIDTH}}")
    if call.status.code == StatusCode.CANCELLED:
        return palette.doubtful(f"{'⊘ CANCELLED':<{_STATUS_WIDTH}}")
    return palette.bad(f"{'✗ ' + call.status.name:<{_STATUS_WIDTH}}")


def _method(call: Call, palette: Palette) -> str:
    text = one_line(call.method, 200)
    service, slash, method = text.rpartition("/")
    padding = " " * max(0, _METHOD_WIDTH - len(text))
    return f"{palette.dim(service + slash)}{palette.strong(method)}{padding}"
