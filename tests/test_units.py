"""Numbers, sizes and durations as people read them; web/src/format/units.test.ts has the same cases."""

import pytest

from loom.units import format_bytes, format_count, format_duration


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (2_150, "2.10 KiB"),
        (1_023_500, "0.98 MiB"),
        (16 << 20, "16.0 MiB"),
        (3 << 30, "3.00 GiB"),
        (5 << 40, "5.00 TiB"),
    ],
)
def test_bytes(count: int, text: str) -> None:
    assert format_bytes(count) == text


@pytest.mark.parametrize(
    ("duration_us", "text"),
    [
        (0, "0 µs"),
        (840, "840 µs"),
        (1_830, "1.83 ms"),
        (14_200, "14.2 ms"),
        (999_600, "1.00 s"),
        (3_200_000, "3.20 s"),
        (59_999_000, "1 m 00 s"),
        (185_000_000, "3 m 05 s"),
        (7_620_000_000, "2 h 07 m"),
    ],
)
def test_durations(duration_us: int, text: str) -> None:
    assert format_duration(duration_us * 1000) == text


def test_counts() -> None:
    assert [format_count(count, "call") for count in (0, 1, 2)] == ["0 calls", "1 call", "2 calls"]
