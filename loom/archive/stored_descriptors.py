"""Descriptors that were kept: those of this run by what fetched them, those of a file as a source of the schema."""

import hashlib
from collections.abc import Callable, Iterable, Mapping

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from loom.model import StoredDescriptorSet
from loom.schema import DescriptorSet, Provenance, SchemaError
from loom.schema.descriptor_index import DescriptorIndex, MemorySource
from loom.schema.stored import parse_stored

_MARK = ", stored"


class StoredDescriptorSource:
    """A :class:`loom.schema.Source` of descriptors that were kept with calls; asked when no other has any."""

    name = "stored descriptors"

    def __init__(self, stored: Iterable[StoredDescriptorSet] = ()) -> None:
        self.problems: list[str] = []
        self._sources: list[tuple[StoredDescriptorSet, MemorySource]] = []
        self.take(stored)

    def take(self, stored: Iterable[StoredDescriptorSet]) -> None:
        """Add sets; the last fetched one answers for what several describe."""
        for item in stored:
            files = DescriptorIndex()
            try:
                files.add(parse_stored(item).file, item.origin)
            except SchemaError as error:
                self.problems.append(str(error))
                continue
            self._sources.append((item, MemorySource(self.name, files)))
        self._sources.sort(key=lambda pair: pair[0].fetched_ns, reverse=True)

    async def fetch(self, symbol: str) -> DescriptorSet:
        """The files of a symbol with where they came from when they were kept."""
        for item, source in self._sources:
            try:
                found = await source.fetch(symbol)
            except SchemaError:
                continue
            label = item.source if item.source.endswith(_MARK) else item.source + _MARK
            return DescriptorSet(found.files, Provenance(label, item.origin, item.fetched_ns))
        raise SchemaError(f"no {self.name} define {symbol}")

    def fill(self, files: Mapping[str, FileDescriptorProto]) -> list[FileDescriptorProto]:
        """Nothing: what was kept is complete in itself, and may be older than what asks."""
        del files
        return []


class DescriptorRegistry:
    """Every set of descriptors that this run has fetched, once; ``keep`` is told of each new one."""

    def __init__(self, target: str, keep: Callable[[StoredDescriptorSet], None] = lambda _: None) -> None:
        self._target = target
        self._keep = keep
        self._sets: dict[bytes, StoredDescriptorSet] = {}

    def take(self, files: DescriptorSet) -> None:
        """A listener of :meth:`loom.schema.Schema.on_descriptors`."""
        provenance = files.provenance
        if provenance.source.endswith(_MARK):
            return
        data = files.as_set().SerializeToString(deterministic=True)
        digest = hashlib.sha256(data).digest()
        if digest not in self._sets:
            item = StoredDescriptorSet(
                self._target, provenance.source, provenance.origin, provenance.fetched_ns, data
            )
            self._sets[digest] = item
            self._keep(item)

    def add(self, items: Iterable[StoredDescriptorSet]) -> None:
        """Sets that came with an imported file."""
        for item in items:
            digest = hashlib.sha256(item.file_set).digest()
            if digest not in self._sets:
                self._sets[digest] = item
                self._keep(item)

    async def stored(self) -> list[StoredDescriptorSet]:
        return list(self._sets.values())
