"""A session store on a file of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from loom.model import Event
from loom.sessions import SessionWriter, session_path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return session_path("default", tmp_path / "data" / "sessions")


@pytest.fixture
def store(path: Path) -> Iterator[SessionWriter]:
    store = SessionWriter(path)
    store.open()
    assert store.status()["error"] == ""
    yield store
    store.close()


def emit(store: SessionWriter, *events: Event) -> None:
    for event in events:
        store.emit(event)
    assert store.flush()
