"""The steps of a call: one at a time, in order, none lost, whatever the threads."""

import threading
from typing import Any

from loom.proxy.relay.serialized import Stepped, step


class Counted(Stepped):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []
        self.errors: list[str] = []
        self.at_once = 0
        self.begun, self.go_on = threading.Event(), threading.Event()

    def failed(self, error: Exception) -> None:
        self.errors.append(str(error))

    @step
    def note(self, batch: Any) -> None:
        self.at_once += 1
        assert self.at_once == 1
        self.seen.append(batch)
        self.at_once -= 1

    @step
    def hold(self, _batch: Any) -> None:
        self.begun.set()
        assert self.go_on.wait(20)
        self.seen.append("held")

    @step
    def nested(self, _batch: Any) -> None:
        self.note("inner")
        self.seen.append("outer")

    @step
    def wrong(self, _batch: Any) -> None:
        raise ValueError("a fault")


def test_steps_of_many_threads_come_one_at_a_time_and_none_is_lost() -> None:
    counted = Counted()
    threads = [
        threading.Thread(target=lambda base=base: [counted.note((base, number)) for number in range(2000)])
        for base in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not counted.errors
    assert len(counted.seen) == 8000
    for base in range(4):
        assert [number for which, number in counted.seen if which == base] == list(range(2000))


def test_a_step_that_comes_during_another_is_left_to_its_thread() -> None:
    counted = Counted()
    holder = threading.Thread(target=counted.hold)
    holder.start()
    assert counted.begun.wait(20)
    counted.note("later")  # returns at once
    assert counted.seen == []
    counted.go_on.set()
    holder.join()
    assert counted.seen == ["held", "later"]


def test_a_step_within_a_step_comes_after_it() -> None:
    counted = Counted()
    counted.nested()
    assert counted.seen == ["outer", "inner"]


def test_a_step_that_fails_is_told_and_the_next_is_taken() -> None:
    counted = Counted()
    counted.wrong()
    counted.note("next")
    assert counted.errors == ["a fault"]
    assert counted.seen == ["next"]
