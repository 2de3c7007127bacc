"""Calls on disk: one SQLite database per session (docs/how-to/sessions.md).

A session is a log of events in batches, not a table of calls: writing costs the traffic next to nothing, a long stream
is on disk as it comes, and reading projects the events to calls as the recorder does (:mod:`loom.model.projection`).

* :mod:`~loom.sessions.paths`: the files of sessions and their names.
* :mod:`~loom.sessions.event_codec`: encodes events as a few bytes each, and decodes them.
* :mod:`~loom.sessions.database`: the tables, version, permissions, lock and errors of a session's file.
* :mod:`~loom.sessions.session_file`: the file as its writer holds it, on a disk that may go and come back.
* :mod:`~loom.sessions.batch`: the events of one row.
* :mod:`~loom.sessions.write_queue`: the bounded queue of batches to be written.
* :mod:`~loom.sessions.facts`: names with a number each, still to be written.
* :mod:`~loom.sessions.writer`: the sink: the queue, and a thread that writes it.
* :mod:`~loom.sessions.rows`: inserts into the tables.
* :mod:`~loom.sessions.session_import`: adds the calls of a file in one transaction.
* :mod:`~loom.sessions.pruning`: deletes the oldest batches of a session that is over its budget.
* :mod:`~loom.sessions.reader`: reads calls and descriptor sets.
* :mod:`~loom.sessions.previous_runs`: reads what previous runs left, whatever is damaged.
* :mod:`~loom.sessions.recovery`: reads what is left of a damaged session.
"""

from .database import SessionError
from .paths import SessionInfo, check_name, list_sessions, session_path, sessions_directory
from .reader import SessionReader
from .session_import import SessionImport
from .writer import SessionWriter

__all__ = [
    "SessionError",
    "SessionImport",
    "SessionInfo",
    "SessionReader",
    "SessionWriter",
    "check_name",
    "list_sessions",
    "session_path",
    "sessions_directory",
]
