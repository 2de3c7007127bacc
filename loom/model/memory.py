"""How many bytes of memory a recorded call takes, as budgets count it.

The constants were measured with tracemalloc on CPython 3.11 and rounded up.
"""

import functools

from .metadata import Metadata

CALL_COST = 1200
"""Bytes of a call without its method's name, its metadata and its messages."""

MESSAGE_COST = 180
"""Bytes of a message without its payload."""

METADATA_ITEM_COST = 120
"""Bytes of an item of metadata without its key and value."""


@functools.lru_cache(maxsize=4096)
def metadata_cost(metadata: Metadata) -> int:
    """The bytes of a block of metadata. Calls repeat their blocks, so results are cached."""
    return sum(METADATA_ITEM_COST + len(key) + len(value) for key, value in metadata)
