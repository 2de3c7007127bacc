"""Write recorded calls of the mirror into a session, with their descriptors."""

from collections.abc import Iterable
from pathlib import Path

from loom.decoding.stored_schema import StoredSchema
from loom.model import Call, StoredDescriptorSet
from loom.model.projection import events_of
from loom.sessions import SessionWriter
from tests.support import mirror


def stored_descriptors() -> StoredDescriptorSet:
    """The mirror's descriptors, as reflection returns them."""
    return StoredDescriptorSet(
        "127.0.0.1:1", "reflection v1", "127.0.0.1:1", 5_000, mirror.file_set().SerializeToString()
    )


def stored_schema() -> StoredSchema:
    return StoredSchema([stored_descriptors()])


def write_session(path: Path, calls: Iterable[Call], *, described: bool = True) -> SessionWriter:
    """Write a session with these calls; return its writer, open and flushed."""
    store = SessionWriter(path)
    store.open()
    if described:
        store.put_descriptors(stored_descriptors())
    for call in calls:
        for event in events_of(call):
            store.emit(event)
    assert store.flush()
    return store
