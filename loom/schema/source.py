"""Sources of descriptors, and the descriptor sets and methods that come from them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from loom.errors import LoomError
from loom.model import Kind

from .linker import LinkedDescriptorSet

_KINDS = {
    (False, False): Kind.UNARY,
    (False, True): Kind.SERVER,
    (True, False): Kind.CLIENT,
    (True, True): Kind.BIDI,
}


class SchemaError(LoomError):
    """No descriptor; the text says which source was asked and why it had none.

    ``temporary``: the source could not be asked now, so that it may know the symbol. ``problems`` are files that cannot
    be used, each with the reason.
    """

    def __init__(self, message: str, *, temporary: bool = False, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.temporary = temporary
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where descriptors came from: "reflection v1" from "localhost:50051", at a wall-clock time."""

    source: str
    origin: str
    fetched_ns: int = field(default_factory=time.time_ns)


@dataclass(frozen=True, slots=True)
class DescriptorSet:
    """Files that belong together, in any order, with their provenance."""

    files: tuple[FileDescriptorProto, ...]
    provenance: Provenance

    def as_set(self) -> FileDescriptorSet:
        """As protobuf's own message."""
        return FileDescriptorSet(file=self.files)


@dataclass(frozen=True, slots=True)
class Method:
    """A method with the descriptors of its types, which live as long as ``pool``.

    ``descriptor_set`` has the files of the pool; it is None for stored descriptor sets. ``problems`` are files of it
    that cannot be used.
    """

    path: str
    kind: Kind
    request: Descriptor
    response: Descriptor
    provenance: Provenance
    pool: DescriptorPool
    problems: tuple[str, ...] = ()
    descriptor_set: LinkedDescriptorSet | None = None

    @classmethod
    def find(
        cls, linked: LinkedDescriptorSet, path: str, provenance: Provenance, *, with_files: bool = True
    ) -> "Method | None":
        """The method of a path such as ``/pkg.Service/Method``; None if the descriptor set lacks it."""
        service, name = split_path(path)
        try:
            method: MethodDescriptor = linked.pool.FindServiceByName(service).FindMethodByName(name)
        except KeyError:
            return None
        return cls(
            path=path,
            kind=method_kind(method),
            request=method.input_type,
            response=method.output_type,
            provenance=provenance,
            pool=linked.pool,
            problems=linked.problems,
            descriptor_set=linked if with_files else None,
        )


class Source(Protocol):
    """A source of descriptor sets by the symbol (service or message) that they define."""

    @property
    def name(self) -> str:
        """The source's name in messages: "reflection", "proto files"."""

    @property
    def problems(self) -> Sequence[str]:
        """Files of the source that cannot be used, each with the reason."""

    async def fetch(self, symbol: str) -> DescriptorSet:
        """The files of a symbol with all their imports; raises :class:`SchemaError` if there are none."""

    def fill(self, files: Mapping[str, FileDescriptorProto]) -> list[FileDescriptorProto]:
        """Files that complete those of another source: missing imports, and extensions of their messages. No I/O."""


def split_path(path: str) -> tuple[str, str]:
    """Service and method of a path; a prefix before them, as in ``/api/demo.Greeter/SayHello``, is ignored."""
    service, _, method = path.strip("/").rpartition("/")
    return service.rpartition("/")[2], method


def method_kind(method: MethodDescriptor | MethodDescriptorProto) -> Kind:
    """The kind of a method, by which of its sides stream."""
    return _KINDS[method.client_streaming, method.server_streaming]
