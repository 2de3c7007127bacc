"""Stored descriptor sets: a registry of those fetched in this run, and a schema source for those of files."""

import hashlib
from collections.abc import Callable, Iterable, Mapping

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from loom.model import StoredDescriptorSet
from loom.schema import DescriptorSet, Provenance, SchemaError
from loom.schema.descriptor_index import DescriptorIndex, MemorySource
from loom.schema.stored import parse_stored

_SOURCE_SUFFIX = ", stored"


class StoredDescriptorSource:
    """A :class:`loom.schema.Source` of descriptor sets that were stored with calls. It is the last one asked.

    ``problems`` name the sets that cannot be parsed.
    """

    name = "stored descriptors"

    def __init__(self, stored: Iterable[StoredDescriptorSet] = ()) -> None:
        self.problems: list[str] = []
        self._sources: list[tuple[StoredDescriptorSet, MemorySource]] = []
        self.add(stored)

    def add(self, stored: Iterable[StoredDescriptorSet]) -> None:
        """Add sets; of several that define one symbol, the last fetched is used."""
        for item in stored:
            files = DescriptorIndex()
            try:
                files.add(parse_stored(item).file, item.origin)
            except SchemaError as error:
                self.problems.append(str(error))
                continue
            self._sources.append((item, MemorySource(self.name, [files])))
        self._sources.sort(key=lambda pair: pair[0].fetched_ns, reverse=True)

    async def fetch(self, symbol: str) -> DescriptorSet:
        """The files that define a symbol, with the provenance that was stored with them."""
        for item, source in self._sources:
            try:
                file_set = await source.fetch(symbol)
            except SchemaError:
                continue
            label = item.source if item.source.endswith(_SOURCE_SUFFIX) else item.source + _SOURCE_SUFFIX
            return DescriptorSet(file_set.files, Provenance(label, item.origin, item.fetched_ns))
        raise SchemaError(f"no {self.name} define {symbol}")

    def fill(self, files: Mapping[str, FileDescriptorProto]) -> list[FileDescriptorProto]:
        """Nothing: a stored set is complete, and may be older than the files that need others."""
        del files
        return []


class DescriptorRegistry:
    """Every descriptor set that this run has fetched or imported, once each; ``on_new`` is called for each new one.

    ``target`` is where those that are fetched come from.
    """

    def __init__(self, target: str, on_new: Callable[[StoredDescriptorSet], None] = lambda _: None) -> None:
        self.target = target
        self._on_new = on_new
        self._sets: dict[bytes, StoredDescriptorSet] = {}

    def add_fetched(self, files: DescriptorSet) -> None:
        """Add files that a schema source has fetched: a listener of :meth:`loom.schema.Schema.on_descriptors`."""
        provenance = files.provenance
        if provenance.source.endswith(_SOURCE_SUFFIX):
            return
        data = files.as_set().SerializeToString(deterministic=True)
        self.add(
            [
                StoredDescriptorSet(
                    self.target, provenance.source, provenance.origin, provenance.fetched_ns, data
                )
            ]
        )

    def add(self, items: Iterable[StoredDescriptorSet]) -> None:
        """Add sets that came with an imported file."""
        for item in items:
            digest = hashlib.sha256(item.file_set).digest()
            if digest not in self._sets:
                self._sets[digest] = item
                self._on_new(item)

    def snapshot(self) -> list[StoredDescriptorSet]:
        """Every set so far, in the order in which they were added."""
        return list(self._sets.values())

    async def stored(self) -> list[StoredDescriptorSet]:
        """The same as :meth:`snapshot`, for :class:`loom.search.SearchClient`."""
        return self.snapshot()
