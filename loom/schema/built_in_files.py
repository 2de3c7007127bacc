"""The well-known types, google.rpc and google.api as files: servers often leave them out."""

from types import ModuleType

from google.api import annotations_pb2, client_pb2, field_behavior_pb2, http_pb2, httpbody_pb2, resource_pb2
from google.protobuf import (
    any_pb2,
    api_pb2,
    descriptor_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    source_context_pb2,
    struct_pb2,
    timestamp_pb2,
    type_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.rpc import code_pb2, error_details_pb2, status_pb2

_MODULES = (
    any_pb2,
    api_pb2,
    descriptor_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    source_context_pb2,
    struct_pb2,
    timestamp_pb2,
    type_pb2,
    wrappers_pb2,
    code_pb2,
    error_details_pb2,
    status_pb2,
    annotations_pb2,
    client_pb2,
    field_behavior_pb2,
    http_pb2,
    httpbody_pb2,
    resource_pb2,
)


def file_of_module(module: ModuleType) -> FileDescriptorProto:
    """The file that a generated module was compiled from."""
    file = FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(file)
    return file


BUILT_IN_FILES: dict[str, FileDescriptorProto] = {file.name: file for file in map(file_of_module, _MODULES)}
"""By file name."""
