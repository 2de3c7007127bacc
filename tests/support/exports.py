"""Exports of recorded calls, and their comparison with what they came from."""

from pathlib import Path

from loom.actions.export import writer_of
from loom.actions.export.incoming import IncomingFile
from loom.model import Call, Secrets
from tests.support.keeping import stored_schema


def export(kind: str, calls: list[Call], *, reveal: bool = False, target: str = "localhost:50051") -> bytes:
    """A file of a format, whole."""
    return b"".join(writer_of(kind)(calls, stored_schema(), None if reveal else Secrets(), target))


def imported(path: Path) -> tuple[list[Call], list[str]]:
    """The calls of a file, and what is wrong with it."""
    with IncomingFile(path) as file:
        incoming = file.read()
        calls = list(incoming.calls)
        return calls, incoming.problems


def assert_same(found: list[Call], wanted: list[Call]) -> None:
    """Equal in everything that a file keeps."""
    assert len(found) == len(wanted)
    for left, right in zip(found, wanted, strict=True):
        assert list(left.messages) == list(right.messages)
        left.messages, left.version, left.restored = right.messages, right.version, right.restored
        assert left == right
