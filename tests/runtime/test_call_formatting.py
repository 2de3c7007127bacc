"""A call as one line of the terminal."""

import re

import pytest

from loom.cli.output import fit
from loom.model import Call, EndedBy, Kind, Status, StatusCode
from loom.runtime.call_formatting import ended_line, one_line, show_bytes, show_duration, started_line
from loom.runtime.palette import Palette

PLAIN = Palette(enabled=False)


def call(code: int = 0, message: str = "", **values) -> Call:
    made = Call(7, "/acme.Shop/Watch", 1_000_000_000, peer="ipv4:127.0.0.1:5", declared_kind=Kind.BIDI)
    made.request_messages, made.request_bytes = 3, 120
    made.response_messages, made.response_bytes = 5, 2150
    made.ended_ns = made.started_ns + 14_200_000
    made.status = Status(code, message)
    for name, value in values.items():
        setattr(made, name, value)
    return made


def test_a_line_has_everything_of_a_finished_call():
    line = ended_line(call(), PLAIN)
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d\.014 ✓ OK +/acme\.Shop/Watch +⇄ bidi    ↑3 120B ↓5 2\.1KiB  14\.2ms", line
    )


def test_a_call_in_flight_has_no_duration():
    line = ended_line(call(ended_ns=None, status=None), PLAIN)
    assert "… live" in line
    assert line.endswith("↓5 2.1KiB")


def test_a_failure_says_why():
    line = ended_line(call(StatusCode.NOT_FOUND, "no such order"), PLAIN)
    assert "✗ NOT_FOUND" in line
    assert line.endswith("  no such order")


def test_a_cancelled_call_says_who():
    line = ended_line(call(StatusCode.CANCELLED, ended_by=EndedBy.CLIENT), PLAIN)
    assert "⊘ CANCELLED" in line
    assert line.endswith("cancelled by the client")


def test_a_code_outside_the_seventeen():
    assert "✗ CODE_99" in ended_line(call(99), PLAIN)


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (200, "/acme.shop.v1.Inventory/Reserve "),
        (70, "/acme.shop.v1.Inventory/Reserve "),
        (53, " …Inventory/Reserve "),
        (40, " …/Reserve"),
    ],
)
def test_a_narrow_terminal_costs_the_package_first(width: int, shown: str):
    line = ended_line(call(method="/acme.shop.v1.Inventory/Reserve"), PLAIN, width)
    assert shown in line
    assert fit(line, width).rstrip("…").find(shown.rstrip()) > 0
    colour = ended_line(call(method="/acme.shop.v1.Inventory/Reserve"), Palette(enabled=True), width)
    assert re.sub(r"\x1b\[\d+m", "", colour) == line


def test_a_started_call():
    assert started_line(call(), PLAIN).endswith(" from ipv4:127.0.0.1:5")
    assert "… started" in started_line(call(), PLAIN)


def test_foreign_text_cannot_drive_the_terminal():
    line = ended_line(call(13, "a\x1b[2J\nb\x9b", method="/x.\x1b]0;evil\x07/M"), Palette(enabled=False))
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", line)
    assert "\\x1b[2J\\x0ab" in line


def test_long_reasons_are_cut():
    assert one_line("x" * 500, 10) == "xxxxxxxxx…"


def test_colours_only_where_enabled():
    assert "\x1b[" not in ended_line(call(), PLAIN)
    assert "\x1b[32m" in ended_line(call(), Palette(enabled=True))
    assert "\x1b[31m" in ended_line(call(5), Palette(enabled=True))


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0B"), (1023, "1023B"), (1024, "1.0KiB"), (16 << 20, "16.0MiB"), (3 << 30, "3.0GiB")],
)
def test_bytes(count: int, text: str):
    assert show_bytes(count) == text


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [(840_000, "0.84ms"), (14_200_000, "14.2ms"), (3_200_000_000, "3.20s"), (125_000_000_000, "2m05s")],
)
def test_durations(time_ns: int, text: str):
    assert show_duration(time_ns) == text
