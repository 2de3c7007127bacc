"""A descriptor set as it is stored with calls: in a session, a bundle or an NDJSON file."""

from dataclasses import dataclass

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError

from .source import SchemaError


@dataclass(frozen=True, slots=True)
class StoredDescriptorSet:
    """A serialised ``FileDescriptorSet``, the target that it describes and where it came from."""

    target: str
    source: str
    origin: str
    fetched_ns: int
    file_set: bytes

    def parse(self) -> FileDescriptorSet:
        """The descriptor set; :class:`SchemaError` if it is damaged."""
        try:
            return FileDescriptorSet.FromString(self.file_set)
        except DecodeError as error:
            raise SchemaError(
                f"the descriptors of {self.origin or self.target} cannot be read and were passed over: {error}"
            ) from None
