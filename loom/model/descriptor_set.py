"""A descriptor set as it is stored with calls: in a session, a bundle or an NDJSON file."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredDescriptorSet:
    """A serialised ``FileDescriptorSet``, the target that it describes and where it came from.

    ``source`` is the kind of source ("reflection v1", …), ``origin`` the address or file. Nothing in here has been
    checked: :func:`loom.schema.stored.parse_stored` parses ``file_set``.
    """

    target: str
    source: str
    origin: str
    fetched_ns: int
    file_set: bytes
