"""What the earlier runs of a session left, as far as it can be read; the rest is told, and stops nothing."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from .database import EmptyError, SessionError
from .reader import SessionReader

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Earlier:
    """Reads a session's file before it is written to. ``problems`` are lines about what could not be read."""

    def __init__(self, path: Path) -> None:
        self.problems: list[str] = []
        self._path = path

    def read(self, read: Callable[[SessionReader], list[_T]]) -> list[_T]:
        """What ``read`` finds; nothing if there is no file yet, or it cannot be read."""
        found: list[_T] = []
        if not self._path.exists() or not self._path.stat().st_size:
            return found
        try:
            with SessionReader(self._path) as reader:
                try:
                    found = read(reader)
                finally:
                    self.tell(*reader.damaged)
        except EmptyError:
            pass
        except SessionError as error:
            self.tell(str(error))
        except Exception as error:  # noqa: BLE001 (a file may be damaged in any way; traffic goes on)
            self.tell(f"{self._path}: calls of earlier runs could not be read: {error!r}")
        return found

    def tell(self, *problems: str) -> None:
        """Note lines about what could not be read, and log them."""
        for line in problems:
            if line not in self.problems:
                self.problems.append(line)
                _log.warning("%s", line)
