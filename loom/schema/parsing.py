"""Parse descriptors that others wrote.

descriptor.proto is proto2: protobuf parses text in it that is not UTF-8, and returns bytes for it or raises whenever it
is read. Such descriptors are refused here, once.
"""

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError, Message

_STRING, _MESSAGE = 9, 11  # types of FieldDescriptor
_UNREAD = "source_code_info"  # comments, which Loom does not read


def parse_file(data: bytes) -> FileDescriptorProto:
    """Parse one file. Raises :class:`google.protobuf.message.DecodeError`."""
    file = FileDescriptorProto.FromString(data)
    _check(file)
    return file


def parse_descriptor_set(data: bytes) -> FileDescriptorSet:
    """Parse a descriptor set. Raises :class:`google.protobuf.message.DecodeError`."""
    files = FileDescriptorSet.FromString(data)
    _check(files)
    return files


def _check(message: Message) -> None:
    try:
        valid = _has_valid_text(message)
    except UnicodeDecodeError:
        valid = False
    if not valid:
        raise DecodeError("a name is not UTF-8")


def _has_valid_text(message: Message) -> bool:
    """Whether all text of a message, at any depth, is UTF-8."""
    for field, value in message.ListFields():
        if field.type == _MESSAGE:
            if field.name != _UNREAD and not all(
                map(_has_valid_text, value if field.is_repeated else (value,))
            ):
                return False
        elif field.type == _STRING and not all(
            isinstance(item, str) for item in (value if field.is_repeated else (value,))
        ):
            return False
    return True
