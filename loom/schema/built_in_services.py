"""A source of gRPC's own services, for servers that do not describe them."""

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_channelz.v1 import channelz_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from .built_in_files import file_of_module
from .descriptor_index import DescriptorIndex, MemorySource

_SERVICES = "built-in services"
_V1, _V1ALPHA = "grpc.reflection.v1", "grpc.reflection.v1alpha"


def built_in_services() -> MemorySource:
    """A source that knows gRPC's own services: health, reflection (v1 and v1alpha) and channelz."""
    files = [file_of_module(module) for module in (health_pb2, reflection_pb2, channelz_pb2)]
    index = DescriptorIndex()
    index.add([*files, _reflection_v1()], "Loom")
    return MemorySource(_SERVICES, [index])


def _reflection_v1() -> FileDescriptorProto:
    """Reflection v1, which is v1alpha under another package (and which grpcio-reflection lacks)."""
    file = file_of_module(reflection_pb2)
    file.name = file.name.replace("v1alpha", "v1")
    file.package = _V1
    for message in file.message_type:
        for field in message.field:
            if field.type_name:
                field.type_name = field.type_name.replace(f".{_V1ALPHA}.", f".{_V1}.")
    for service in file.service:
        for method in service.method:
            method.input_type = method.input_type.replace(f".{_V1ALPHA}.", f".{_V1}.")
            method.output_type = method.output_type.replace(f".{_V1ALPHA}.", f".{_V1}.")
    return file
