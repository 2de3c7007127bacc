"""Recorded calls whose history had dropped messages, and the comparison of calls."""

from loom.model import Call
from loom.recording.history import History
from loom.recording.recorder import Recorder

from .traffic import DOWN, began, ended, message


def trimmed_stream() -> Call:
    """A stream that outgrew its history: its middle is gone."""
    history = History(budget=256 * 1024)
    recorder = Recorder(history)
    for event in [*began(1), *(message(1, DOWN, b"x" * 1000, after) for after in range(500)), *ended(1)]:
        recorder.emit(event)
    [call] = history
    assert call.messages.gap()
    return call


def crowded_stream() -> Call:
    """A live call whose first messages were dropped, but for a few."""
    history = History(budget=256 * 1024)
    recorder = Recorder(history)
    for event in [*began(7), *(message(7, DOWN, b"x" * 20_000, after) for after in range(50)), *ended(7)]:
        recorder.emit(event)
    [call] = history
    assert 0 < call.messages.gap().start < 64
    return call


def same(left: Call, right: Call) -> bool:
    """Whether two calls are equal in everything that a file keeps."""
    left.version = right.version
    assert list(left.messages) == list(right.messages)
    assert left.messages.gap() == right.messages.gap()
    left.messages = right.messages
    assert left == right
    return True
