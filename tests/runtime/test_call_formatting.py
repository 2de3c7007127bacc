"""Calls as lines of a terminal."""

import re
from typing import Any

import pytest

from loom.cli.output import fit
from loom.model import Call, EndedBy, Kind, Status, StatusCode
from loom.model.interception import ActionKind
from loom.runtime.call_formatting import format_call, format_start
from loom.runtime.terminal import Palette

PLAIN = Palette(enabled=False)


def call(code: int = 0, message: str = "", **values: Any) -> Call:
    finished = Call(7, "/acme.Shop/Watch", 1_000_000_000, peer="ipv4:127.0.0.1:5", declared_kind=Kind.BIDI)
    finished.request_messages, finished.request_bytes = 3, 120
    finished.response_messages, finished.response_bytes = 5, 2150
    finished.ended_ns = finished.started_ns + 14_200_000
    finished.status = Status(code, message)
    for name, value in values.items():
        setattr(finished, name, value)
    return finished


def test_a_finished_call_with_its_start_time() -> None:
    line = format_call(call(), PLAIN)
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d\.000 ✓ OK +/acme\.Shop/Watch +⇄ bidi    ↑3 120 B ↓5 2\.10 KiB  14\.2 ms", line
    )


def test_a_call_in_flight_has_no_duration() -> None:
    line = format_call(call(ended_ns=None, status=None), PLAIN)
    assert "… in flight" in line
    assert line.endswith("↓5 2.10 KiB")


def test_a_failed_call_has_its_status_message() -> None:
    line = format_call(call(StatusCode.NOT_FOUND, "no such order"), PLAIN)
    assert "✗ NOT_FOUND" in line
    assert line.endswith("  no such order")


def test_a_cancelled_call_names_who_cancelled_it() -> None:
    line = format_call(call(StatusCode.CANCELLED, ended_by=EndedBy.CLIENT), PLAIN)
    assert "⊘ CANCELLED" in line
    assert line.endswith("cancelled by the client")


def test_a_status_code_without_a_name() -> None:
    assert "✗ CODE_99" in format_call(call(99), PLAIN)


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (200, "/acme.shop.v1.Inventory/Reserve "),
        (70, "/acme.shop.v1.Inventory/Reserve "),
        (53, " …Inventory/Reserve "),
        (40, " …/Reserve"),
    ],
)
def test_a_narrow_terminal_drops_the_package_first(width: int, shown: str) -> None:
    line = format_call(call(method="/acme.shop.v1.Inventory/Reserve"), PLAIN, width)
    assert shown in line
    assert fit(line, width).rstrip("…").find(shown.rstrip()) > 0
    colour = format_call(call(method="/acme.shop.v1.Inventory/Reserve"), Palette(enabled=True), width)
    assert re.sub(r"\x1b\[\d+m", "", colour) == line


def test_a_started_call() -> None:
    assert format_start(call(), PLAIN).endswith(" from ipv4:127.0.0.1:5")
    assert "… started" in format_start(call(), PLAIN)


def test_text_of_others_is_escaped() -> None:
    line = format_call(call(13, "a\x1b[2J\nb\x9b", method="/x.\x1b]0;evil\x07/M"), Palette(enabled=False))
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", line)
    assert "\\x1b[2J\\x0ab" in line


def test_colours_only_where_enabled() -> None:
    assert "\x1b[" not in format_call(call(), PLAIN)
    assert "\x1b[32m" in format_call(call(), Palette(enabled=True))
    assert "\x1b[31m" in format_call(call(5), Palette(enabled=True))


@pytest.mark.parametrize(
    ("modified", "acted", "text"),
    [
        (
            True,
            ((ActionKind.RULE, "louder"), (ActionKind.FAULT, "--fault 1")),
            "altered by rule louder, fault --fault 1",
        ),
        (False, ((ActionKind.FAULT, "slow"),), "acted on by fault slow"),
        (True, ((ActionKind.BREAKPOINT, ""),), "altered by breakpoint"),
    ],
)
def test_what_acted_on_a_call_is_said(modified: bool, acted: object, text: str) -> None:
    line = format_call(call(StatusCode.ABORTED, "no", modified=modified, acted=acted), PLAIN)
    assert line.endswith(f"14.2 ms  {text}  no")
    assert "\x1b[33m" in format_call(call(acted=acted), Palette(enabled=True))
