"""What a source of descriptors is, and what it answers."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from loom.errors import LoomError
from loom.model import Kind

from .linker import LinkedDescriptorSet


class SchemaError(LoomError):
    """No descriptor: the text says which source was asked and why it had none.

    ``temporary`` tells a source that could not be asked from one that does not know.
    """

    def __init__(self, message: str, *, temporary: bool = False) -> None:
        super().__init__(message)
        self.temporary = temporary


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where descriptors came from: "reflection v1" from "localhost:50051", at a wall-clock time."""

    source: str
    origin: str
    fetched_ns: int = field(default_factory=time.time_ns)


@dataclass(frozen=True, slots=True)
class DescriptorSet:
    """Files that belong together, in any order, and where they came from."""

    files: tuple[FileDescriptorProto, ...]
    provenance: Provenance

    def as_set(self) -> FileDescriptorSet:
        return FileDescriptorSet(file=self.files)


@dataclass(frozen=True, slots=True)
class Method:
    """A method with its descriptors; they live as long as ``pool``, and ``built`` has the files behind it."""

    path: str
    kind: Kind
    request: Descriptor
    response: Descriptor
    provenance: Provenance
    pool: DescriptorPool
    problems: tuple[str, ...] = ()
    descriptor_set: LinkedDescriptorSet | None = None


class Source(Protocol):
    """Answers file sets by the symbol (service or message) that they define."""

    @property
    def name(self) -> str:
        """What the source is called in messages: "reflection", "proto files"."""

    @property
    def problems(self) -> Sequence[str]:
        """What of it cannot be used, and why, a line each."""

    async def fetch(self, symbol: str) -> DescriptorSet:
        """The files of a symbol with all they import; :class:`SchemaError` if there are none."""

    def fill(self, files: Mapping[str, FileDescriptorProto]) -> list[FileDescriptorProto]:
        """DescriptorIndex that complete those of another source, as far as this takes no I/O: imports that are missing
        there, and extensions of its messages."""
