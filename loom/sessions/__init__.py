"""Calls kept on disk: one SQLite database per session (docs/sessions.md).

A session is a log of events in batches, not a table of calls: writing costs the traffic next to
nothing, a long stream is on disk as it comes, and whoever reads folds the events into
calls as the recorder does.

* :mod:`~loom.sessions.paths`: where sessions are, and what they may be called.
* :mod:`~loom.sessions.event_codec`: an event as a few bytes, and back.
* :mod:`~loom.sessions.database`: its tables, version and rights, and what can be wrong with it.
* :mod:`~loom.sessions.batch`: the events of one row.
* :mod:`~loom.sessions.write_queue`: a bounded queue of them.
* :mod:`~loom.sessions.writer`: the sink: that queue, and a thread that writes.
* :mod:`~loom.sessions.pruning`: the oldest goes when the budget is reached.
* :mod:`~loom.sessions.fold`: records become calls again.
* :mod:`~loom.sessions.reader`: reads what is in a session.
* :mod:`~loom.sessions.previous_runs`: what earlier runs left, read at the start whatever is wrong with it.
* :mod:`~loom.sessions.recovery`: what can still be read of a damaged one.
"""

from .database import SessionError
from .paths import SessionInfo, check_name, list_sessions, session_path, sessions_directory
from .reader import SessionReader
from .writer import SessionWriter

__all__ = [
    "SessionError",
    "SessionInfo",
    "SessionReader",
    "SessionWriter",
    "check_name",
    "list_sessions",
    "session_path",
    "sessions_directory",
]
