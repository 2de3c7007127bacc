"""Message classes and methods of the harbour's services, compiled from ``protos/`` at start."""

from __future__ import annotations  # grpc.RpcMethodHandler is generic for type checkers only

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from loom.schema.protoc import compile_protos

PACKAGE = "harbour.v1"


@dataclass(frozen=True, slots=True)
class Rpc:
    """One method: its path, its stream types and its message classes."""

    path: str
    client_streams: bool
    server_streams: bool
    request: type[Message]
    response: type[Message]

    def handler(self, behaviour: Callable[..., Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """Return the method's handler for a server."""
        factories: dict[tuple[bool, bool], Callable[..., grpc.RpcMethodHandler[Any, Any]]] = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }
        return factories[self.client_streams, self.server_streams](
            behaviour,
            request_deserializer=self.request.FromString,
            response_serializer=self.response.SerializeToString,
        )

    def on(self, channel: grpc.aio.Channel) -> Any:
        """Return the method's multi-callable on a channel."""
        factory = {
            (False, False): channel.unary_unary,
            (False, True): channel.unary_stream,
            (True, False): channel.stream_unary,
            (True, True): channel.stream_stream,
        }[self.client_streams, self.server_streams]
        return factory(
            self.path,
            request_serializer=self.request.SerializeToString,
            response_deserializer=self.response.FromString,
        )


class Contract:
    """The descriptors of the harbour's ``.proto`` files, in their own pool."""

    def __init__(self) -> None:
        with as_file(files("loom.demo") / "protos") as folder:
            file_set = compile_protos(sorted(folder.rglob("*.proto")), [folder])
        self.pool = DescriptorPool()
        for file in file_set.file:
            self.pool.Add(file)
        for descriptor in (health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR):
            self.pool.AddSerializedFile(descriptor.serialized_pb)  # so that reflection describes these too
        names = [file.name for file in file_set.file]
        self._classes = message_factory.GetMessageClassesForFiles(names, self.pool)
        self.services = tuple(
            f"{PACKAGE}.{service.name}" for file in file_set.file for service in file.service
        )

    def type(self, name: str) -> type[Message]:
        """Return a message class by its name within the package."""
        return self._classes[f"{PACKAGE}.{name}"]

    def make(self, name: str, /, **values: Any) -> Any:
        """Create a message of that type. The return type is Any, as its fields exist only at run time."""
        return self.type(name)(**values)

    def rpcs(self, service: str) -> dict[str, Rpc]:
        """Return the methods, by name, of a service (its name within the package)."""
        descriptor = self.pool.FindServiceByName(f"{PACKAGE}.{service}")
        return {method.name: self._rpc(method) for method in descriptor.methods}

    @staticmethod
    def _rpc(method: MethodDescriptor) -> Rpc:
        return Rpc(
            f"/{method.containing_service.full_name}/{method.name}",
            method.client_streaming,
            method.server_streaming,
            message_factory.GetMessageClass(method.input_type),
            message_factory.GetMessageClass(method.output_type),
        )
