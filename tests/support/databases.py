"""A session's database, changed behind Loom's back."""

import contextlib
import sqlite3
from pathlib import Path


def change(path: Path, *statements: str) -> None:
    """Run these statements of SQL on the file, in a connection of their own."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
