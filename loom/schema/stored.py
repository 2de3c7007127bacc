"""Parse descriptor sets that were stored with calls."""

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError

from loom.model import StoredDescriptorSet

from .parsing import parse_descriptor_set
from .source import SchemaError


def parse_stored(item: StoredDescriptorSet) -> FileDescriptorSet:
    """The descriptor set; :class:`SchemaError` if it is damaged."""
    try:
        return parse_descriptor_set(item.file_set)
    except DecodeError as error:
        raise SchemaError(
            f"the descriptors of {item.origin or item.target} cannot be read and were passed over: {error}"
        ) from None
