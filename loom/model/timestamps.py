"""RFC 3339 timestamps with nanoseconds, exact in both directions."""

import calendar
import re
import time

_SECOND = 1_000_000_000
_PATTERN = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):?(\d\d))"
)


def format_timestamp(time_ns: int) -> str:
    """Nanoseconds since the epoch as "2026-01-31T12:00:00.123456789Z"."""
    seconds, nanoseconds = divmod(time_ns, _SECOND)
    utc = time.gmtime(seconds)
    return (
        f"{utc.tm_year:04}-{utc.tm_mon:02}-{utc.tm_mday:02}"
        f"T{utc.tm_hour:02}:{utc.tm_min:02}:{utc.tm_sec:02}.{nanoseconds:09}Z"
    )


def parse_timestamp(text: str) -> int:
    """The inverse of :func:`moment`; fewer digits and offsets are allowed. Raises :class:`ValueError`."""
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a timestamp: write it as 2026-01-31T12:00:00.123456789Z")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    seconds = calendar.timegm((year, month, day, hour, minute, second))
    if match[8]:
        offset = int(match[9]) * 3600 + int(match[10]) * 60
        seconds += -offset if match[8] == "+" else offset
    return seconds * _SECOND + int((match[7] or "0").ljust(9, "0"))
