"""Resolve message types by name, for what names its type on the wire: ``google.protobuf.Any``."""

from collections.abc import Iterable
from typing import Protocol

from google.protobuf.descriptor import Descriptor


class TypeResolver(Protocol):
    """The part of a :class:`DescriptorPool` that decoding needs, so that a pool is a resolver."""

    def FindMessageTypeByName(self, full_name: str) -> Descriptor:  # noqa: N802 (protobuf's own name)
        """The descriptor; KeyError if the name is unknown."""


class ChainResolver:
    """Asks several resolvers in turn. They are not merged: two of them may define one name differently."""

    def __init__(self, resolvers: Iterable[TypeResolver]) -> None:
        self._resolvers = tuple(resolvers)

    def FindMessageTypeByName(self, full_name: str) -> Descriptor:  # noqa: N802 (protobuf's own name)
        for resolver in self._resolvers:
            try:
                return resolver.FindMessageTypeByName(full_name)
            except KeyError:
                continue
        raise KeyError(full_name)


def type_name(type_url: str) -> str:
    """The full name at the end of an Any's type URL."""
    return type_url.rpartition("/")[2]
