"""What recording a call costs as the history grows: flat, also when every new call pushes an old one out.

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
METADATA = (("user-agent", "bench/1"), ("x-request-id", "0" * 32))


def record(recorder: Recorder, first: int, count: int) -> float:
    """Seconds of CPU for one call."""
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


def main() -> None:
    history = History()
    recorder = Recorder(history, [Hub("bench", summarise)])
    print("| calls seen | held | evicted | µs for a call |")
    print("| ---: | ---: | ---: | ---: |")
    for first in range(1, 20 * STEP, STEP):
        took = record(recorder, first, STEP)
        print(f"| {first + STEP - 1:,} | {len(history):,} | {history.evicted:,} | {took * 1e6:.1f} |")


if __name__ == "__main__":
    main()
