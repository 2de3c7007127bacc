"""Durations, sizes, ranges and rates."""

import pytest

from loom.interception.amounts import (
    Range,
    Rate,
    parse_delay,
    parse_duration,
    parse_range,
    parse_rate,
    parse_size,
)


def test_amounts() -> None:
    assert [parse_duration(text) for text in ("250ms", "1.5s", "10m", "1h")] == [0.25, 1.5, 600, 3600]
    assert parse_delay("100ms..300ms") == (0.1, 0.3)
    assert parse_delay("2s") == (2.0, 2.0)
    assert [parse_size(text) for text in ("5B", "1KB", "1KiB", "1.5MiB")] == [5, 1000, 1024, 1572864]
    assert [parse_range(text) for text in (2, "1..3", "2..")] == [Range(2, 2), Range(1, 3), Range(2, None)]
    assert [str(parse_range(text)) for text in ("2", "1..3", "2..")] == ["2", "1..3", "2.."]
    assert parse_rate("10/s") == Rate(10, "messages")
    assert parse_rate("0.5/s") == Rate(0.5, "messages")
    assert parse_rate("64KiB/s") == Rate(65536, "bytes")


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1e3s", "1 s s"])
def test_what_is_not_a_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "x", "-1", "1...2", "3..1"])
def test_what_is_not_a_range(text: str) -> None:
    with pytest.raises(ValueError, match="range"):
        parse_range(text)
