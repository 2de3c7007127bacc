"""How many bytes of memory a recorded call takes, as budgets count it.

The constants were measured with tracemalloc on CPython 3.11 and rounded up.
"""

from .metadata import Metadata

CALL_COST = 1200
"""Bytes of a call without its method's name, its metadata and its messages."""

MESSAGE_COST = 180
"""Bytes of a message without its payload."""

METADATA_ITEM_COST = 120
"""Bytes of an item of metadata without its key and value."""


_CACHED_BLOCKS = 4096
_CACHED_COST = 16 * 1024
_costs: dict[Metadata, int] = {}


def metadata_cost(metadata: Metadata) -> int:
    """The bytes of a block of metadata. Calls repeat their blocks, so the costs of small ones are cached."""
    cost = _costs.get(metadata)
    if cost is None:
        cost = METADATA_ITEM_COST * len(metadata) + sum([len(key) + len(value) for key, value in metadata])
        if cost <= _CACHED_COST:  # large ones, which any client may send, are not to be kept
            if len(_costs) >= _CACHED_BLOCKS:
                _costs.clear()
            _costs[metadata] = cost
    return cost
