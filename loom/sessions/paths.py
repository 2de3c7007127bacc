"""Where sessions are, and what they may be called."""

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
    """A session file as the directory shows it; ``size`` in bytes, with what is not yet merged into it."""

    name: str
    path: Path
    size: int
    changed_ns: int


def sessions_directory(data_dir: Path | None = None) -> Path:
    """``data_dir``, else ``LOOM_DATA_DIR``, else the user's data directory; and ``sessions`` in it."""
    if data_dir is None:
        named = os.environ.get("LOOM_DATA_DIR", "").strip()
        data_dir = (
            Path(named).expanduser() if named else Path(platformdirs.user_data_dir("loom", appauthor=False))
        )
    return data_dir / "sessions"


def check_name(name: str) -> str:
    """The name, if it can be one; :class:`ConfigError` says what is allowed."""
    if _NAME.fullmatch(name) is None or name.endswith("."):
        raise ConfigError(
            f"{name!r} cannot be a session's name: use letters, digits, '.', '_' and '-', at most 100 of them"
        )
    return name


def session_path(name: str, directory: Path) -> Path:
    """The file of a session."""
    return directory / (check_name(name) + SUFFIX)


def list_sessions(directory: Path) -> list[SessionInfo]:
    """The sessions of a directory, the last changed first; none if there is no such directory."""
    found = []
    for path in directory.glob(f"*{SUFFIX}"):
        try:
            parts = [part.stat() for part in session_files(path) if part.exists()]
        except OSError:  # deleted meanwhile
            continue
        if parts:
            name = path.name.removesuffix(SUFFIX)
            size = sum(part.st_size for part in parts)
            found.append(SessionInfo(name, path, size, max(part.st_mtime_ns for part in parts)))
    return sorted(found, key=lambda info: info.changed_ns, reverse=True)


def session_files(path: Path) -> tuple[Path, ...]:
    """The database and what SQLite keeps beside it."""
    return (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm"))
