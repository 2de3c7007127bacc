"""The console writes every line, never blocks who calls it, and says what it left out."""

import io
import os
import threading

from loom.model import Call, Status
from loom.runtime.console import QUEUE, Console
from loom.runtime.palette import Palette

PLAIN = Palette(enabled=False)


def ended_call(number: int) -> Call:
    call = Call(number, f"/a.B/M{number}", 0)
    call.ended_ns, call.status, call.version = 1, Status(0), 1
    return call


class StuckStream(io.StringIO):
    """A terminal that takes nothing until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.released = threading.Event()

    def write(self, text: str) -> int:
        self.entered.set()
        self.released.wait()
        return super().write(text)


def test_every_ended_call_has_a_line():
    stream = io.StringIO()
    with Console(stream, PLAIN) as console:
        console.say("hello")
        for number in range(1000):
            console.started([ended_call(number)])
            console.ended([ended_call(number)])
    lines = stream.getvalue().splitlines()
    assert lines[0] == "hello"
    assert [line.split("/M")[1].split()[0] for line in lines[1:]] == [str(number) for number in range(1000)]


def test_starts_are_printed_when_asked_for():
    stream = io.StringIO()
    with Console(stream, PLAIN, starts=True) as console:
        console.started([ended_call(1)])
        console.ended([ended_call(1)])
    assert ["started" in line for line in stream.getvalue().splitlines()] == [True, False]


def test_a_stuck_terminal_holds_nothing_up_and_the_rest_is_counted():
    stream = StuckStream()
    with Console(stream, PLAIN) as console:
        console.ended([ended_call(0)])
        assert stream.entered.wait(5)
        for number in range(QUEUE + 42):
            console.ended([ended_call(number)])
        stream.released.set()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1 + QUEUE + 1
    assert lines[-1].startswith("… and 42 more")


def test_a_reader_that_has_gone_ends_the_writing_quietly():
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w")
    with Console(stream, PLAIN) as console:
        console.ended([ended_call(1)])
    stream.close()  # does not fail a second time
