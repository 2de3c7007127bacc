"""The comparison of the export with a capture: it finds what differs. No capture is made here."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from . import capture_comparison
from .capture import DATA, HEADERS, RST_STREAM, Frame, parse_packet
from .traffic import PLAN_KEY, make_plan

SEED = 20_261_130
CLIENT, LOOM, LOOMS_OWN, BACKEND = 1, 2, 3, 4  # ports


def frames_of(number: int) -> list[Frame]:
    """A unary call that ends with OK, on both sides of Loom."""
    passed: list[tuple[int, int, int, int, bool, list[tuple[str, str]]]] = [
        (CLIENT, LOOM, HEADERS, 0, False, [(PLAN_KEY, str(number)), ("x-text", "a")]),
        (CLIENT, LOOM, DATA, 8, True, []),
        (LOOMS_OWN, BACKEND, HEADERS, 0, False, [(PLAN_KEY, str(number)), ("x-text", "a")]),
        (LOOMS_OWN, BACKEND, DATA, 8, True, []),
        (BACKEND, LOOMS_OWN, HEADERS, 0, False, [("x-other", "b")]),
        (BACKEND, LOOMS_OWN, DATA, 9, False, []),
        (BACKEND, LOOMS_OWN, HEADERS, 0, True, [("grpc-status", "0")]),
        (LOOM, CLIENT, HEADERS, 0, False, [("x-other", "b")]),
        (LOOM, CLIENT, DATA, 9, False, []),
        (LOOM, CLIENT, HEADERS, 0, True, [("grpc-status", "0")]),
    ]
    return [
        Frame(order, {CLIENT, LOOM} >= {source, to}, source, to, kind, end, 1, size, tuple(headers))
        for order, (source, to, kind, size, end, headers) in enumerate(passed)
    ]


CALL: dict[str, Any] = {
    "request_metadata": [{"key": "x-text", "value": "a"}],
    "initial_metadata": [{"key": "x-other", "value": "b"}],
    "trailing_metadata": [],
    "ended_by": "backend",
    "status": {"code": 0},
    "messages": [
        {"direction": "request", "data": "YWJj"},
        {"direction": "response", "data": "YWJjZA=="},
    ],
}


def number_of_a_call_to_its_status() -> int:
    return next(number for number in range(1000) if make_plan(SEED, number).end == "status")


def found(call: dict[str, Any], frames: list[Frame]) -> list[str]:
    captured = capture_comparison.calls_of(frames, LOOM, BACKEND)
    number = number_of_a_call_to_its_status()
    return list(capture_comparison.differences(SEED, {number: [call]}, captured))


@pytest.mark.parametrize(
    "tampered",
    [
        {"request_metadata": []},
        {"initial_metadata": []},
        {"trailing_metadata": [{"key": "x-bytes-bin", "base64": "AA=="}]},
        {"ended_by": "client"},
        {"status": {"code": 2}},
        {"messages": CALL["messages"][:1]},
        {"messages": CALL["messages"][1:]},
    ],
)
def test_a_difference_from_the_capture_is_found(tampered: dict[str, Any]) -> None:
    frames = frames_of(number_of_a_call_to_its_status())
    assert found(CALL, frames) == []
    assert len(found({**CALL, **tampered}, frames)) == 1


def reset_by_client(frames: list[Frame], order: int) -> list[Frame]:
    reset = replace(frames[0], type=RST_STREAM, end=True, headers=())
    return _in_order([*frames[:order], reset, *frames[order:]])


def closed_by_client(frames: list[Frame], order: int) -> list[Frame]:
    closed = replace(frames[0], type=None, end=True, stream=0, headers=())
    return _in_order([*frames[:order], closed, *frames[order:]])


def lost_backend(frames: list[Frame], order: int) -> list[Frame]:
    """The backend's connection ends before its status."""
    closed = replace(frames[4], type=None, end=True, stream=0, headers=())
    return _in_order([*frames[:order], closed, *frames[7:]])


def no_backend(frames: list[Frame], order: int) -> list[Frame]:
    return _in_order([*frames[:order], *frames[7:]])


def _in_order(frames: list[Frame]) -> list[Frame]:
    return [replace(frame, order=order) for order, frame in enumerate(frames)]


@pytest.mark.parametrize(
    ("change", "order", "by"),
    [
        (reset_by_client, 4, "client"),
        (reset_by_client, 7, "backend"),
        (closed_by_client, 4, "client"),
        (lost_backend, 5, "backend"),
        (no_backend, 2, "loom"),
        (no_backend, 4, "loom"),
    ],
)
def test_the_first_end_on_the_wire_says_who_ended_a_call(
    change: Callable[[list[Frame], int], list[Frame]], order: int, by: str
) -> None:
    number = number_of_a_call_to_its_status()
    (trace,) = capture_comparison.calls_of(change(frames_of(number), order), LOOM, BACKEND)[number]
    assert trace.ended_by == by


def test_calls_that_were_not_captured_or_twice_are_found() -> None:
    number = number_of_a_call_to_its_status()
    frames = frames_of(number)
    assert found(CALL, frames[2:]) == [f"call {number}: captured 0 times, recorded 1 times"]
    again = [replace(frame, stream=3) for frame in frames]
    assert found(CALL, frames + again) == [f"call {number}: captured 2 times, recorded 1 times"]


def test_a_packet_of_tshark_is_parsed() -> None:
    """A HEADERS frame with two headers, DATA that ends its stream, another HEADERS frame, and a FIN."""
    columns = ["7", "40000", "50051", "1", "0", "1\x010\x011", "0x04\x010x01\x010x04", "1\x011\x013"]
    columns += ["20\x018\x0110", "2\x011", "a\x01b\x01a", "x\x01\x01y"]
    headers, data, more, fin = parse_packet("\t".join(columns), 5)
    assert headers == Frame(5, 7, 40000, 50051, HEADERS, False, 1, 0, (("a", "x"), ("b", "")))
    assert data == Frame(6, 7, 40000, 50051, DATA, True, 1, 8)
    assert more == Frame(7, 7, 40000, 50051, HEADERS, False, 3, 0, (("a", "y"),))
    assert fin == Frame(8, 7, 40000, 50051, None, True)
