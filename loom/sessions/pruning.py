"""Deletes the oldest batches of a session that is over its budget.

A call may have started in a batch that is deleted and still be running: its events, without the bytes of messages, are
carried over into the last of these batches, which keeps its number and has nothing else in it.
"""

import sqlite3

import msgspec

from loom.model import MessageSeen, StoredEvent

from .batch import Batch, new_compressor
from .event_codec import unpack

_SHARE = 0.97  # of the budget that is left when pruning ends, so that not every batch needs pruning
_MAX_CARRIED = 4 * 1024 * 1024  # bytes; past it the calls that started first are dropped


def used_bytes(connection: sqlite3.Connection) -> int:
    """The bytes of the database's pages that are in use."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def prune(connection: sqlite3.Connection, budget: int) -> int:
    """Delete the oldest batches until the rest fits into ``budget`` bytes; return how many calls started in them.

    The pages that become free are reused, so the file stops growing. Raises :class:`sqlite3.Error`.
    """
    excess = used_bytes(connection) - int(budget * _SHARE)
    last, calls = 0, 0
    newest = connection.execute("SELECT max(seq) FROM batches").fetchone()[0]
    for seq, started, size in connection.execute(
        "SELECT seq, CAST(coalesce(started, 0) AS INTEGER), coalesce(length(events), 0) FROM batches ORDER BY seq"
    ):
        if excess <= 0 or seq == newest:
            break
        last, calls, excess = seq, calls + started, excess - size
    if not last:
        return 0
    connection.execute("BEGIN IMMEDIATE")
    try:
        carried = _carried(connection, last)
        connection.execute("DELETE FROM batches WHERE seq < ?", (last,))
        connection.execute("DELETE FROM spans WHERE seq <= ?", (last,))
        if carried.size:
            connection.execute(
                "UPDATE batches SET first_id = ?, last_id = ?, started = ?, ended = 0, size = ?, events = ?"
                " WHERE seq = ?",
                (*carried.ids, carried.started, carried.size, carried.compress(new_compressor()), last),
            )
            calls -= carried.started
        else:
            connection.execute("DELETE FROM batches WHERE seq = ?", (last,))
        connection.execute("UPDATE facts SET value = value + ? WHERE name = 'pruned'", (calls,))
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    return calls


def _carried(connection: sqlite3.Connection, last: int) -> Batch:
    """The events of calls that continue after batch ``last``; messages come without their bytes."""
    carried = Batch(_MAX_CARRIED)
    continued = {
        row[0] for row in connection.execute("SELECT DISTINCT call_id FROM spans WHERE seq > ?", (last,))
    }
    if not continued:
        return carried
    events_of_calls: dict[int, list[StoredEvent]] = {}
    for (row,) in connection.execute("SELECT events FROM batches WHERE seq <= ? ORDER BY seq", (last,)):
        try:
            events = unpack(row)
        except msgspec.MsgspecError:  # damaged: its events are deleted with it
            continue
        for event in events:
            if event.call_id in continued:
                events_of_calls.setdefault(event.call_id, []).append(_without_bytes(event))
    for call_id in sorted(events_of_calls, reverse=True):
        if not carried.add([events_of_calls[call_id]]):
            break
    return carried


def _without_bytes(event: StoredEvent) -> StoredEvent:
    if isinstance(event, MessageSeen) and event.lost is None:
        return msgspec.structs.replace(event, data=b"", lost=len(event.data))
    return event
