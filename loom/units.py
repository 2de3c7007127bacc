"""Format numbers, sizes and durations for people, as the page does (web/src/format/units.ts)."""

_KIB = 1024
_US = 1_000
_MS = 1_000_000
_S = 1_000_000_000
_MINUTE = 60


def format_count(count: int, noun: str) -> str:
    """Format a number of things: ``1 call``, ``2 calls``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def format_bytes(count: int) -> str:
    """Format a size in binary units, to three digits: ``87 B``, ``2.10 KiB``, ``16.0 MiB``."""
    if count < _KIB:
        return f"{count} B"
    size = float(count)
    for unit in ("KiB", "MiB", "GiB"):
        size /= _KIB
        if size < 999.5:  # noqa: PLR2004 (it would be rounded to four digits)
            return f"{_three_digits(size)} {unit}"
    return f"{_three_digits(size / _KIB)} TiB"


def format_duration(duration_ns: int) -> str:
    """Format a duration to three digits: ``950 µs``, ``14.2 ms``, ``3.20 s``, ``2 m 05 s``, ``2 h 07 m``."""
    if duration_ns < _MS:
        return f"{round(duration_ns / _US)} µs"
    if duration_ns < 999_500_000:  # noqa: PLR2004 (as above)
        return f"{_three_digits(duration_ns / _MS)} ms"
    if duration_ns < 59_995_000_000:  # noqa: PLR2004
        return f"{_three_digits(duration_ns / _S)} s"
    minutes, seconds = divmod(round(duration_ns / _S), _MINUTE)
    if minutes < _MINUTE:
        return f"{minutes} m {seconds:02d} s"
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours} h {minutes:02d} m"


def _three_digits(value: float) -> str:
    decimals = 0 if value >= 99.95 else 1 if value >= 9.995 else 2  # noqa: PLR2004 (where rounding adds a digit)
    return f"{value:.{decimals}f}"
