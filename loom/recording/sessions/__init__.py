"""Calls kept on disk: one SQLite database per session (docs/sessions.md).

A session is a log of events in batches, not a table of calls: writing costs the traffic next to
nothing, a long stream is on disk as it comes, and whoever reads folds the events into
calls as the recorder does.

* :mod:`~loom.recording.sessions.location`: where sessions are, and what they may be called.
* :mod:`~loom.recording.sessions.records`: an event as a few bytes, and back.
* :mod:`~loom.recording.sessions.database`: its tables, version and rights, and what can be wrong with it.
* :mod:`~loom.recording.sessions.batch`: the events of one row.
* :mod:`~loom.recording.sessions.waiting`: a bounded queue of them.
* :mod:`~loom.recording.sessions.store`: the sink: that queue, and a thread that writes.
* :mod:`~loom.recording.sessions.pruning`: the oldest goes when the budget is reached.
* :mod:`~loom.recording.sessions.fold`: records become calls again.
* :mod:`~loom.recording.sessions.reader`: reads what is in a session.
* :mod:`~loom.recording.sessions.earlier`: what earlier runs left, read at the start whatever is wrong with it.
* :mod:`~loom.recording.sessions.salvage`: what can still be read of a damaged one.
"""

from .database import SessionError
from .location import SessionInfo, check_name, list_sessions, session_path, sessions_directory
from .reader import SessionReader
from .store import SessionStore

__all__ = [
    "SessionError",
    "SessionInfo",
    "SessionReader",
    "SessionStore",
    "check_name",
    "list_sessions",
    "session_path",
    "sessions_directory",
]
