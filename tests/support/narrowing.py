"""Values whose type a test knows more exactly than Loom's annotations say."""

from typing import TypeVar

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from loom.api.messages import Node

T = TypeVar("T")


def required(value: T | None) -> T:
    """The value, which must not be None."""
    assert value is not None
    return value


def as_node(view: object) -> Node:
    """The root of a tree or wire view that is there and not encoded yet."""
    assert isinstance(view, Node)
    return view


def descriptor_of(message: Message) -> Descriptor:
    """A message's descriptor; type information has it as one of two classes."""
    assert isinstance(message.DESCRIPTOR, Descriptor)
    return message.DESCRIPTOR
