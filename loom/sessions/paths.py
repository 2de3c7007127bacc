"""The files of sessions and their names."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from loom.errors import ConfigError

SUFFIX = ".loom.db"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session's file; ``size`` in bytes, with the write-ahead log."""

    name: str
    path: Path
    size: int
    modified_ns: int


def sessions_directory(data_dir: Path | None = None) -> Path:
    """``sessions`` in ``data_dir``, else in ``LOOM_DATA_DIR``, else in the user's data directory."""
    if data_dir is None:
        variable = os.environ.get("LOOM_DATA_DIR", "").strip()
        data_dir = Path(variable or platformdirs.user_data_dir("loom", appauthor=False)).expanduser()
    return data_dir / "sessions"


def check_name(name: str) -> str:
    """Return a valid session name; :class:`ConfigError` says what is allowed."""
    if _NAME.fullmatch(name) is None or name.endswith("."):
        raise ConfigError(
            f"{name!r} is not a valid session name: use letters, digits, '.', '_' and '-', at most 100 of them"
        )
    return name


def session_path(name: str, directory: Path) -> Path:
    """The file of a session; :class:`ConfigError` if the name is not valid."""
    return directory / (check_name(name) + SUFFIX)


def list_sessions(directory: Path) -> list[SessionInfo]:
    """The sessions of a directory, the last modified first; none if there is no such directory."""
    sessions = []
    for path in directory.glob(f"*{SUFFIX}"):
        try:
            parts = [part.stat() for part in session_files(path) if part.exists()]
        except OSError:  # deleted since it was listed
            continue
        if parts:
            name = path.name.removesuffix(SUFFIX)
            size = sum(part.st_size for part in parts)
            sessions.append(SessionInfo(name, path, size, max(part.st_mtime_ns for part in parts)))
    return sorted(sessions, key=lambda info: info.modified_ns, reverse=True)


def session_files(path: Path) -> tuple[Path, ...]:
    """The database and the files that SQLite adds to it."""
    return (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm"))
