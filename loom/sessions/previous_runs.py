"""Reads what previous runs left in a session; what is damaged is reported, and stops nothing."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from .database import EmptyError, SessionError
from .reader import SessionReader

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class PreviousRuns:
    """Reads a session's file ahead of writing to it. ``problems`` are lines about what could not be read."""

    def __init__(self, path: Path) -> None:
        self.problems: list[str] = []
        self._path = path

    def read(self, query: Callable[[SessionReader], list[_T]]) -> list[_T]:
        """The result of ``query``; empty if there is no file yet, or it cannot be read."""
        result: list[_T] = []
        if not self._path.exists() or not self._path.stat().st_size:
            return result
        try:
            with SessionReader(self._path) as reader:
                try:
                    result = query(reader)
                finally:
                    self.report(*reader.damaged)
        except EmptyError:
            pass
        except SessionError as error:
            self.report(str(error))
        except Exception as error:  # noqa: BLE001 (a file may be damaged in any way, and Loom starts all the same)
            self.report(f"{self._path}: calls of previous runs could not be read: {error!r}")
        return result

    def report(self, *problems: str) -> None:
        """Log lines about what could not be read, and keep them in ``problems``; each once."""
        for line in problems:
            if line not in self.problems:
                self.problems.append(line)
                _log.warning("%s", line)
