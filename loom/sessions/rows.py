"""Inserts into the tables of a session, within a transaction of the caller."""

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from functools import partial

import zstandard

from loom.model import Kind, StoredDescriptorSet

from .batch import Batch
from .database import MASKED, skip_refused_content


def insert_batches(
    connection: sqlite3.Connection, batches: Iterable[Batch], compressor: zstandard.ZstdCompressor
) -> list[Batch]:
    """Insert batches and raise the last id; return those that the database refuses for their content."""
    refused: list[Batch] = []
    last_id = 0
    for batch in batches:
        with skip_refused_content(
            connection, f"{batch.size} bytes of events", partial(refused.append, batch)
        ):
            _insert(connection, batch, compressor)
            last_id = max(last_id, batch.ids[1] or 0)
    if last_id:
        connection.execute("UPDATE facts SET value = max(value, ?) WHERE name = 'last_id'", (last_id,))
    return refused


def _insert(connection: sqlite3.Connection, batch: Batch, compressor: zstandard.ZstdCompressor) -> None:
    events = batch.compress(compressor)
    cursor = connection.execute(
        "INSERT INTO batches (first_id, last_id, started, ended, first_ns, last_ns, size, events)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (*batch.ids, batch.started, batch.ended, *batch.times, batch.size, events),
    )
    seq = cursor.lastrowid
    connection.executemany(
        "INSERT OR IGNORE INTO spans VALUES (?, ?)", [(call_id, seq) for call_id in batch.continued_ids]
    )


def insert_kinds(connection: sqlite3.Connection, kinds: Sequence[tuple[str, Kind]]) -> None:
    """Insert the kinds of methods."""
    with skip_refused_content(connection, "the kinds of methods"):
        connection.executemany("INSERT OR REPLACE INTO kinds VALUES (?, ?)", kinds)


def insert_masks(connection: sqlite3.Connection, keys: Iterable[str]) -> None:
    """Insert the metadata keys that are masked."""
    insert_facts(connection, ((MASKED + key, 1) for key in keys))


def insert_facts(connection: sqlite3.Connection, facts: Iterable[tuple[str, int]]) -> None:
    """Insert facts about the session; one that is there already gets the new number."""
    for fact in facts:
        with skip_refused_content(connection, "the name of masked metadata"):
            connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", fact)


def insert_descriptors(connection: sqlite3.Connection, items: Iterable[StoredDescriptorSet]) -> None:
    """Insert descriptor sets; one that is there already gets the newer facts about it."""
    for item in items:
        with skip_refused_content(connection, "a descriptor set"):
            digest = hashlib.sha256(item.file_set).digest()
            connection.execute(
                "INSERT OR REPLACE INTO descriptors VALUES (?, ?, ?, ?, ?, ?)",
                (digest, item.target, item.source, item.origin, item.fetched_ns, item.file_set),
            )
