"""A session writer on a file of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from loom.model import Event, KindDeclared
from loom.sessions import SessionWriter, session_path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return session_path("default", tmp_path / "data" / "sessions")


@pytest.fixture
def writer(path: Path) -> Iterator[SessionWriter]:
    writer = SessionWriter(path)
    writer.open()
    assert writer.status().error == ""
    yield writer
    writer.close()


def emit(writer: SessionWriter, *events: Event | KindDeclared) -> None:
    for event in events:
        writer.emit(event)
    assert writer.flush()
