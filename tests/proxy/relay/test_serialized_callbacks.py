"""Serialised callbacks: one at a time, in order, none lost, whatever the threads."""

import threading
from typing import Any

from loom.proxy.relay.serialized_callbacks import SerializedCallbacks, serialized


class Recorder(SerializedCallbacks):
    def __init__(self) -> None:
        super().__init__()
        self.log: list[Any] = []
        self.errors: list[str] = []
        self.running = 0
        self.blocked, self.resume = threading.Event(), threading.Event()

    def on_error(self, error: Exception) -> None:
        self.errors.append(str(error))

    @serialized
    def record(self, value: Any) -> None:
        self.running += 1
        assert self.running == 1
        self.log.append(value)
        self.running -= 1

    @serialized
    def block(self) -> None:
        self.blocked.set()
        assert self.resume.wait(20)
        self.log.append("blocked")

    @serialized
    def nest(self) -> None:
        self.record("inner")
        self.log.append("outer")

    @serialized
    def fail(self) -> None:
        raise ValueError("a bug")


def test_callbacks_of_many_threads_run_one_at_a_time_and_none_is_lost() -> None:
    recorder = Recorder()
    threads = [
        threading.Thread(target=lambda base=base: [recorder.record((base, number)) for number in range(2000)])
        for base in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not recorder.errors
    assert len(recorder.log) == 8000
    for base in range(4):
        assert [number for source, number in recorder.log if source == base] == list(range(2000))


def test_a_callback_that_arrives_during_another_is_queued_for_its_thread() -> None:
    recorder = Recorder()
    thread = threading.Thread(target=recorder.block)
    thread.start()
    assert recorder.blocked.wait(20)
    recorder.record("later")  # returns at once
    assert recorder.log == []
    recorder.resume.set()
    thread.join()
    assert recorder.log == ["blocked", "later"]


def test_a_nested_callback_runs_after_the_outer_one() -> None:
    recorder = Recorder()
    recorder.nest()
    assert recorder.log == ["outer", "inner"]


def test_an_error_is_reported_and_the_next_callback_runs() -> None:
    recorder = Recorder()
    recorder.fail()
    recorder.record("next")
    assert recorder.errors == ["a bug"]
    assert recorder.log == ["next"]
