"""The console prints a line per call, never blocks its caller, and counts the lines that it skips."""

import io
import os
import threading

from loom.model import Call, Status
from loom.runtime.console import Console
from loom.runtime.terminal import Palette

PLAIN = Palette(enabled=False)


def ended_call(number: int) -> Call:
    call = Call(number, f"/a.B/M{number}", 0)
    call.ended_ns, call.status, call.version = 1, Status(0), 1
    return call


class StuckStream(io.StringIO):
    """A terminal that blocks writes until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.released = threading.Event()

    def write(self, text: str) -> int:
        self.entered.set()
        self.released.wait()
        return super().write(text)


def test_every_ended_call_is_printed() -> None:
    stream = io.StringIO()
    with Console(stream, PLAIN) as console:
        console.print_lines("hello")
        for number in range(1000):
            console.started([ended_call(number)])
            console.ended([ended_call(number)])
    lines = stream.getvalue().splitlines()
    assert lines[0] == "hello"
    assert [line.split("/M")[1].split()[0] for line in lines[1:]] == [str(number) for number in range(1000)]


def test_starts_are_printed_on_request() -> None:
    stream = io.StringIO()
    with Console(stream, PLAIN, starts=True) as console:
        console.started([ended_call(1)])
        console.ended([ended_call(1)])
    assert ["started" in line for line in stream.getvalue().splitlines()] == [True, False]


def test_a_blocked_terminal_blocks_no_caller_and_skipped_lines_are_counted() -> None:
    stream = StuckStream()
    with Console(stream, PLAIN, queue_size=20) as console:
        console.ended([ended_call(0)])
        assert stream.entered.wait(5)
        for number in range(20 + 42):
            console.ended([ended_call(number)])
        stream.released.set()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1 + 20 + 1
    assert lines[-1].startswith("… and 42 more")


def test_a_broken_pipe_stops_the_console_without_an_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w")
    with Console(stream, PLAIN) as console:
        console.ended([ended_call(1)])
    stream.close()  # does not fail a second time


def test_lines_are_escaped() -> None:
    stream = io.StringIO()
    with Console(stream, PLAIN, starts=True) as console:
        console.print_lines("a\x1b[2Jb\nc")
        call = ended_call(1)
        call.peer = call.method = "/a.B/\x1b]0;title\x07\r\u202e"
        console.started([call])
        console.ended([call])
    text = stream.getvalue()
    assert text.count("\n") == 3
    assert all(char.isprintable() for char in text.replace("\n", ""))
