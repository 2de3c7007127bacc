"""An edit keeps what the schema does not know: unknown fields go from the old bytes into the new ones."""

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message


def carry_unknown(before: bytes, after: bytes, descriptor: Descriptor) -> bytes:
    """``after`` with the unknown fields that ``before`` has at the same places.

    Places are singular message fields and items of repeated ones by their index; what an edit took away takes its
    unknown fields along. Both are bytes of a message of this type.
    """
    message_class = message_factory.GetMessageClass(descriptor)
    old, new = message_class(), message_class()
    old.ParseFromString(before)
    new.ParseFromString(after)
    _carry(old, new)
    return new.SerializeToString()


def _carry(old: Message, new: Message) -> None:
    bare = type(old)()
    bare.CopyFrom(old)
    for field, _ in bare.ListFields():
        bare.ClearField(field.name)
    unknown = bare.SerializePartialToString()
    if unknown:
        new.MergeFromString(unknown)
    for field, value in old.ListFields():
        inner = field.message_type
        if inner is None or inner.GetOptions().map_entry or field.is_extension:
            continue
        if isinstance(value, Message):
            if new.HasField(field.name):
                _carry(value, getattr(new, field.name))
        else:
            for item, other in zip(value, getattr(new, field.name), strict=False):
                _carry(item, other)
