"""Protos written in a test become descriptors and message classes, and a backend with reflection."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf import message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from loom.schema import compile_protos
from loom.schema.linker import link

SHOP = """
syntax = "proto3";
package acme.shop;
import "google/protobuf/any.proto";
import "google/protobuf/timestamp.proto";
message Item {
  enum Colour { COLOUR_UNSPECIFIED = 0; RED = 1; }
  string name = 1;
  int64 count = 2;
  Colour colour = 3;
  map<string, int32> tags = 4;
  google.protobuf.Timestamp at = 5;
  google.protobuf.Any any = 6;
  bytes blob = 7;
  oneof choice { string text = 8; int32 number = 9; }
  repeated Item parts = 10;
  double price = 11;
}
service Shop {
  rpc Get(Item) returns (Item);
  rpc Watch(Item) returns (stream Item);
  rpc Collect(stream Item) returns (Item);
  rpc Chat(stream Item) returns (stream Item);
}
"""


def compiled(folder: Path, **sources: str) -> FileDescriptorSet:
    """Compile ``name=text`` as ``name.proto``."""
    for name, text in sources.items():
        (folder / f"{name}.proto").write_text(text)
    return compile_protos([folder / f"{name}.proto" for name in sources], [folder])


def pool_of(files: FileDescriptorSet) -> DescriptorPool:
    built = link(files.file)
    assert built.problems == ()
    return built.pool


def message_class(pool: DescriptorPool, name: str) -> type[Message]:
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


Answer = Callable[[ServerReflectionRequest, str], Any]


@asynccontextmanager
async def reflecting(answer: Answer, *, versions: tuple[str, ...] = ("v1", "v1alpha")) -> AsyncIterator[Any]:
    """A backend whose reflection answers each request through ``answer(request, version)``.

    The answer is a response, a status code, or None, which ends the stream; it may be awaitable. The yielded object
    counts the exchanges (``streams``) and the requests.
    """

    class Server:
        streams = 0
        requests: list[ServerReflectionRequest]
        metadata: list[dict[str, str | bytes]]
        address = ""

        def __init__(self) -> None:
            self.requests = []
            self.metadata = []

    seen = Server()

    class Handler(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> Any:
            version = details.method.removeprefix("/grpc.reflection.").partition(".")[0]
            if version not in versions:
                return None

            async def info(requests: AsyncIterator[ServerReflectionRequest], context: Any) -> Any:
                seen.streams += 1
                seen.metadata.append(dict(context.invocation_metadata()))
                async for request in requests:
                    seen.requests.append(request)
                    response = answer(request, version)
                    if hasattr(response, "__await__"):
                        response = await response
                    if response is None:
                        return
                    if isinstance(response, grpc.StatusCode):
                        await context.abort(response, "on purpose")
                    yield response

            return grpc.stream_stream_rpc_method_handler(
                info,
                request_deserializer=ServerReflectionRequest.FromString,
                response_serializer=ServerReflectionResponse.SerializeToString,
            )

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    seen.address = f"127.0.0.1:{port}"
    try:
        yield seen
    finally:
        await server.stop(None)


def files_answer(*files: Any) -> ServerReflectionResponse:
    response = ServerReflectionResponse()
    response.file_descriptor_response.file_descriptor_proto.extend(file.SerializeToString() for file in files)
    return response


def error_answer(code: int, message: str) -> ServerReflectionResponse:
    response = ServerReflectionResponse()
    response.error_response.error_code = code
    response.error_response.error_message = message
    return response
