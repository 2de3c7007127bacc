"""Build grpcurl commands for recorded calls with what a running Loom knows: endpoints, schema and masked keys."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from loom.api.replay import GrpcurlCommand
from loom.decoding.call_decoder import decode_call
from loom.model import Call, Direction, Endpoint, Secrets
from loom.schema import Method, Schema, split_path

from .command import SchemaOptions, grpcurl_command

_REFLECTION = "reflection"
_DESCRIPTOR_SETS = "descriptor sets"


@dataclass(frozen=True, slots=True)
class CommandBuilder:
    """``target`` is the endpoint of the backend, ``loom`` returns the one of Loom itself.

    ``reflection_headers`` are sent to the backend's reflection service.
    """

    schema: Schema
    secrets: Secrets
    target: Endpoint
    loom: Callable[[], Endpoint]
    reflection_headers: tuple[tuple[str, str], ...] = ()

    async def build(
        self, call: Call, *, reveal: bool = False, through_loom: bool = False, protoset: Path | None = None
    ) -> GrpcurlCommand:
        """The command that sends a recorded call to its target, or through Loom.

        ``protoset`` is the file that has the schema, or will have it; without one the command gets the schema from
        where Loom got it.
        """
        decoding = await decode_call(self.schema, call, Direction.REQUEST)
        loom = self.loom()
        # A replay may have gone to another target, with the same TLS settings.
        endpoint = loom if through_loom else self.target.at(call.target)
        if call.replay_of is None:
            endpoint = endpoint.with_client_authority(call.authority, (loom.address.port,))
        options = self._schema_options(call, decoding.method, protoset)
        return grpcurl_command(call, decoding, endpoint, options, self.secrets, reveal=reveal)

    async def descriptor_set(self, path: str) -> FileDescriptorSet:
        """The descriptor set that grpcurl needs for a method. Raises :class:`loom.schema.SchemaError` if unknown."""
        return await self.schema.descriptor_set(path)

    def _schema_options(self, call: Call, method: Method | None, protoset: Path | None) -> SchemaOptions:
        if protoset is not None:
            return SchemaOptions(reflection=False, protosets=(protoset,))
        if method is None or method.provenance.source.startswith(_REFLECTION):
            return SchemaOptions(reflection_headers=self.reflection_headers)
        origin = Path(method.provenance.origin)
        if method.provenance.source.startswith(_DESCRIPTOR_SETS):
            return SchemaOptions(reflection=False, protosets=(origin,))
        if origin.suffix == ".proto":
            return SchemaOptions(reflection=False, protos=(Path(origin.name),), import_paths=(origin.parent,))
        file = Path(f"{split_path(call.method)[0]}.protoset")
        return SchemaOptions(
            reflection=False,
            protosets=(file,),
            note=f"save the schema first: loom grpcurl {call.id} --protoset {file}",
        )
