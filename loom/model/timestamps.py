"""Moments as RFC 3339 text with nanoseconds, exact in both directions."""

import calendar
import re
import time

_SECOND = 1_000_000_000
_FORM = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):?(\d\d))"
)


def format_timestamp(time_ns: int) -> str:
    """Nanoseconds since the epoch as "2026-01-31T12:00:00.123456789Z"."""
    seconds, rest = divmod(time_ns, _SECOND)
    at = time.gmtime(seconds)
    return (
        f"{at.tm_year:04}-{at.tm_mon:02}-{at.tm_mday:02}"
        f"T{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}.{rest:09}Z"
    )


def parse_timestamp(text: str) -> int:
    """The reverse of :func:`moment`; takes fewer digits and offsets too. Raises :class:`ValueError`."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no moment: write it as 2026-01-31T12:00:00.123456789Z")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    seconds = calendar.timegm((year, month, day, hour, minute, second))
    if match[8]:
        shift = int(match[9]) * 3600 + int(match[10]) * 60
        seconds += -shift if match[8] == "+" else shift
    return seconds * _SECOND + int((match[7] or "0").ljust(9, "0"))
