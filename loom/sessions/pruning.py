"""Past its budget, a session lets go of its oldest batches.

A call may have begun in a batch that goes and still be running: what is needed to know it
by (everything but the bytes of its messages) is carried over into the last batch that
goes, which stays under its number with only that in it.
"""

import sqlite3

import msgspec

from loom.model import MessageSeen, StoredEvent

from .batch import Batch, compressor
from .event_codec import unpack

_SHARE = 0.97  # prune to this share of the budget, so that it is not needed with every batch
_MOST_CARRIED = 4 * 1024 * 1024  # bytes; past it the calls that began first are given up


def used_bytes(connection: sqlite3.Connection) -> int:
    """The bytes of the database that hold something."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def prune(connection: sqlite3.Connection, budget: int) -> int:
    """Delete the oldest batches until the rest fits; how many calls began in them.

    The pages that become free are used again, so the file stops growing. Raises :class:`sqlite3.Error`.
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
                (*carried.ids, carried.started, carried.size, carried.row(compressor()), last),
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
    """What to keep of calls that go on after batch ``last``: their events, messages without their bytes."""
    carried = Batch(_MOST_CARRIED)
    going_on = {
        row[0] for row in connection.execute("SELECT DISTINCT call_id FROM spans WHERE seq > ?", (last,))
    }
    if not going_on:
        return carried
    kept: dict[int, list[StoredEvent]] = {}
    for (events,) in connection.execute("SELECT events FROM batches WHERE seq <= ? ORDER BY seq", (last,)):
        try:
            records = unpack(events)
        except msgspec.MsgspecError:  # damaged: it goes, whatever is in it
            continue
        for record in records:
            if record.call_id in going_on:
                kept.setdefault(record.call_id, []).append(_without_bytes(record))
    for call_id in sorted(kept, reverse=True):
        if not carried.add([kept[call_id]]):
            break
    return carried


def _without_bytes(record: StoredEvent) -> StoredEvent:
    if isinstance(record, MessageSeen) and record.lost is None:
        return msgspec.structs.replace(record, data=b"", lost=len(record.data))
    return record
