"""Message types by name, for what names its type on the wire: ``google.protobuf.Any``."""

from collections.abc import Iterable
from typing import Protocol

from google.protobuf.descriptor import Descriptor


class TypeResolver(Protocol):
    """What is asked of a :class:`DescriptorPool` here, so that a pool will do as it is."""

    def FindMessageTypeByName(self, full_name: str) -> Descriptor:  # noqa: N802 (protobuf's own name)
        """The descriptor; KeyError if nobody knows it."""


class ChainResolver:
    """Several pools asked in turn. They stay apart: two of them may define one name differently."""

    def __init__(self, pools: Iterable[TypeResolver]) -> None:
        self._pools = tuple(pools)

    def FindMessageTypeByName(self, full_name: str) -> Descriptor:  # noqa: N802 (protobuf's own name)
        for pool in self._pools:
            try:
                return pool.FindMessageTypeByName(full_name)
            except KeyError:
                continue
        raise KeyError(full_name)


def type_name(type_url: str) -> str:
    """The full name at the end of an Any's type URL."""
    return type_url.rpartition("/")[2]
