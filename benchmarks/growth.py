"""Cost of recording as the history grows: constant while it evicts, and with any number of open calls over budget.

python -m benchmarks.growth
"""

import time

from loom.api.summary import summarise
from loom.model import (
    CallEnded,
    CallStarted,
    Direction,
    HalfClosed,
    MessageSeen,
    MetadataSeen,
    Section,
    Status,
)
from loom.publishing import Hub
from loom.recording.history import History
from loom.recording.recorder import Recorder

STEP = 20_000
MESSAGES = 200_000
OPEN_CALLS = (1, 1_000, 40_000)
METADATA = (("user-agent", "bench/1"), ("x-request-id", "0" * 32))


def record(recorder: Recorder, first: int, count: int) -> float:
    """Return CPU seconds per call."""
    start = time.process_time()
    for call in range(first, first + count):
        recorder.emit(CallStarted(call, call, "/bench.Bench/Echo"))
        recorder.emit(MetadataSeen(call, call, Section.REQUEST, METADATA))
        recorder.emit(MessageSeen(call, call, Direction.REQUEST, b"x" * 100))
        recorder.emit(HalfClosed(call, call))
        recorder.emit(MetadataSeen(call, call, Section.INITIAL, ()))
        recorder.emit(MessageSeen(call, call, Direction.RESPONSE, b"x" * 100))
        recorder.emit(CallEnded(call, call, Status(0)))
    return (time.process_time() - start) / count


def record_messages(open_calls: int) -> tuple[History, float]:
    """Return CPU seconds per message while ``open_calls`` streams alone fill the budget."""
    history = History(budget=max(open_calls * 6_000, 1_000_000))
    recorder = Recorder(history, [Hub("bench", summarise)])
    for call in range(1, open_calls + 1):
        recorder.emit(CallStarted(call, call, "/bench.Bench/Stream"))
    rounds = max(MESSAGES // open_calls, 2)
    data = b"x" * 1_000
    for call in range(1, open_calls + 1):  # until the budget is filled
        for _ in range(max(history.budget // open_calls // 1_000, 1)):
            recorder.emit(MessageSeen(call, call, Direction.RESPONSE, data))
    start = time.process_time()
    for _ in range(rounds):
        for call in range(1, open_calls + 1):
            recorder.emit(MessageSeen(call, call, Direction.RESPONSE, data))
    return history, (time.process_time() - start) / rounds / open_calls


def main() -> None:
    history = History()
    recorder = Recorder(history, [Hub("bench", summarise)])
    print("| calls seen | held | evicted | µs for a call |")
    print("| ---: | ---: | ---: | ---: |")
    for first in range(1, 20 * STEP, STEP):
        took = record(recorder, first, STEP)
        print(f"| {first + STEP - 1:,} | {len(history):,} | {history.evicted:,} | {took * 1e6:.1f} |")

    print("\n| open streams | held MB | budget MB | messages dropped | µs for a message |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for open_calls in OPEN_CALLS:
        history, took = record_messages(open_calls)
        print(
            f"| {open_calls:,} | {history.bytes / 1e6:.1f} | {history.budget / 1e6:.1f}"
            f" | {history.dropped_messages:,} | {took * 1e6:.2f} |"
        )


if __name__ == "__main__":
    main()
