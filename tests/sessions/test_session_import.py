"""An import is in the session as a whole, or not at all, whatever ends it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from loom.model import StoredDescriptorSet
from loom.sessions import SessionError, SessionImport, SessionReader, SessionWriter
from tests.support.traffic import dense, unary

from .conftest import emit

KILLED = """
import os, signal, sys
from pathlib import Path
from loom.sessions import SessionImport
from tests.support.traffic import dense, unary
with SessionImport(Path(sys.argv[1])) as destination:
    for call_id in range(2, 200):
        destination.emit(*unary(call_id, dense(100_000 + call_id)))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def ids(path: Path) -> list[int]:
    with SessionReader(path) as reader:
        found = [call.id for call in reader.newest(1000, 1 << 30)]
        assert reader.damaged == []
    return found


@pytest.fixture
def session(path: Path) -> Path:
    """A session with one call."""
    writer = SessionWriter(path)
    writer.open()
    emit(writer, *unary(1))
    writer.close()
    return path


def test_a_committed_import_is_there(session: Path) -> None:
    descriptors = StoredDescriptorSet("a:1", "reflection v1", "a:1", 5, b"set")
    with SessionImport(session) as destination:
        assert destination.last_id == 1
        destination.mask(["x-key"])
        destination.emit(*unary(2))
        destination.emit(*unary(3, dense(5_000_000)))
        destination.put_descriptors([descriptors])
        assert ids(session) == [1]
        destination.commit()
    assert ids(session) == [1, 2, 3]
    with SessionReader(session) as reader:
        assert (reader.masked(), reader.descriptors()) == (["x-key"], [descriptors])
    with SessionImport(session) as destination:
        assert destination.last_id == 3


def test_an_import_that_fails_leaves_nothing(session: Path) -> None:
    with SessionImport(session) as destination:
        for call_id in range(2, 100):
            destination.emit(*unary(call_id, dense(100_000 + call_id)))
    assert ids(session) == [1]


def test_a_killed_import_leaves_nothing(session: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(session)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert ids(session) == [1]
    with SessionImport(session) as destination:
        assert destination.last_id == 1
        destination.emit(*unary(2))
        destination.commit()
    assert ids(session) == [1, 2]


def test_a_session_in_use_is_refused(session: Path) -> None:
    writer = SessionWriter(session)
    writer.open()
    with pytest.raises(SessionError, match="is in use by another Loom"), SessionImport(session):
        pass
    writer.close()


def test_a_session_over_its_budget_is_pruned_after_an_import(session: Path) -> None:
    with SessionImport(session, budget=1_000_000) as destination:
        for call_id in range(2, 50):
            destination.emit(*unary(call_id, dense(100_000 + call_id)))
        destination.commit()
    assert ids(session)[0] > 2
    assert ids(session)[-1] == 49
