"""What a running Loom can say of how its calls are sent again: the addresses, TLS and schema that grpcurl needs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from loom.decoding.messages import decode_call
from loom.errors import ConfigError
from loom.model import Address, Call, Direction, Secrets
from loom.schema import Method, Schema

from .command import Descriptors, GrpcurlCommand, Reach, grpcurl_command

_REFLECTION = "reflection"
_SETS = "descriptor sets"


@dataclass(frozen=True, slots=True)
class CommandBuilder:
    """``target`` and ``loom`` are how the backend and Loom itself are reached from this machine.

    ``reflection_headers`` go along to the backend's reflection service.
    """

    schema: Schema
    secrets: Secrets
    target: Reach
    loom: Callable[[], Reach]
    reflection_headers: tuple[tuple[str, str], ...] = ()

    async def grpcurl(
        self, call: Call, *, reveal: bool = False, through_loom: bool = False, protoset: Path | None = None
    ) -> GrpcurlCommand:
        """The command for a recorded call, to its target, or through Loom again.

        ``protoset`` is a file that the schema is, or will be, saved in; without it the command uses what Loom used.
        """
        decoding = await decode_call(self.schema, call, Direction.REQUEST)
        reach = self.loom() if through_loom else self._reach(call)
        descriptors = self._descriptors(call, decoding.method, protoset)
        return grpcurl_command(call, decoding, reach, descriptors, self.secrets, reveal=reveal)

    async def protoset(self, path: str) -> FileDescriptorSet:
        """All that grpcurl needs to know of a method; :class:`loom.schema.SchemaError` if nothing is known."""
        return await self.schema.descriptor_set(path)

    def _reach(self, call: Call) -> Reach:
        """The target that the call went to: a replay may have gone elsewhere, with the same TLS."""
        if not call.target or call.target == str(self.target.address):
            return self.target
        try:
            address = Address.parse(call.target)
        except ConfigError:  # imported calls may name their target otherwise
            return self.target
        return replace(self.target, address=address)

    def _descriptors(self, call: Call, method: Method | None, protoset: Path | None) -> Descriptors:
        if protoset is not None:
            return Descriptors(reflection=False, protosets=(protoset,))
        if method is None or method.provenance.source.startswith(_REFLECTION):
            return Descriptors(reflection_headers=self.reflection_headers)
        origin = Path(method.provenance.origin)
        if method.provenance.source.startswith(_SETS):
            return Descriptors(reflection=False, protosets=(origin,))
        if origin.suffix == ".proto":
            return Descriptors(reflection=False, protos=(Path(origin.name),), import_paths=(origin.parent,))
        file = Path(f"{call.service}.protoset")
        return Descriptors(
            reflection=False,
            protosets=(file,),
            note=f"save the schema first: loom grpcurl {call.id} --protoset {file}",
        )
