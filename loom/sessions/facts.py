"""The facts of a session that are still to be written: names with a number each."""

import sqlite3
from collections.abc import Iterable

from .rows import insert_facts


class FactQueue:
    """Facts that are written with the next calls, and again to a new file in the place of one that was removed."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, int]] = []
        self._written: list[tuple[str, int]] = []

    def put(self, facts: Iterable[tuple[str, int]]) -> None:
        """Write these with the next calls."""
        self._waiting += facts

    def add_written(self, facts: Iterable[tuple[str, int]]) -> None:
        """These are in the file already."""
        self._written += facts

    def write(self, connection: sqlite3.Connection) -> int:
        """Write what waits, within a transaction; return its number for :meth:`commit`."""
        count = len(self._waiting)
        insert_facts(connection, self._waiting[:count])
        return count

    def commit(self, count: int) -> None:
        """The transaction has succeeded."""
        self._written += self._waiting[:count]
        del self._waiting[:count]

    def requeue(self) -> None:
        """The file is a new one: write everything again."""
        self._waiting = [*self._written, *self._waiting]
        self._written = []
