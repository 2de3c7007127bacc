"""A message with its descriptor: bytes to the canonical JSON mapping, and JSON to bytes.

Source: https://protobuf.dev/programming-guides/json/.
"""

import json
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError as ProtobufDecodeError
from google.protobuf.message import Message

from .node import Node
from .tree import Trees

MAX_DEPTH = 100
MAX_NODES = 20_000


class DecodeError(ValueError):
    """The bytes are not a message of this type."""


class EncodeError(ValueError):
    """The JSON does not fit the type; ``path`` is the field's, as in ``items[2].price``."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


@dataclass(slots=True)
class Decoded:
    """A decoded message. ``json`` is None with ``json_error`` set where no JSON mapping exists.

    ``unknown`` tells that fields came which the descriptor does not have.
    """

    json: Any
    text: str
    json_error: str
    tree: Node
    unknown: bool


def parse(data: bytes, descriptor: Descriptor) -> Message:
    """The message object; :class:`DecodeError` says that it is none."""
    made = message_factory.GetMessageClass(descriptor)()
    try:
        made.ParseFromString(data)
    except ProtobufDecodeError as error:
        raise DecodeError(f"not a valid {descriptor.full_name}: {error}") from error
    return made


def decode(
    data: bytes, descriptor: Descriptor, pool: DescriptorPool, *, max_nodes: int = MAX_NODES
) -> Decoded:
    """Decode for viewing; :class:`DecodeError` if the bytes are not such a message."""
    message = parse(data, descriptor)
    trees = Trees(pool, max_nodes)
    tree = trees.message(message, key="", number=None)
    value, problem = to_json(message, pool)
    text = "" if problem else json.dumps(value, indent=2, ensure_ascii=False)
    return Decoded(value, text, problem, tree, trees.unknown)


def to_json(message: Message, pool: DescriptorPool) -> tuple[Any, str]:
    """The canonical JSON value, and why there is none where there is none (an Any of unknown type)."""
    try:
        return json_format.MessageToDict(message, descriptor_pool=pool), ""
    except (TypeError, ValueError, json_format.Error) as error:
        return None, " ".join(str(error).split())


def encode(value: Any, descriptor: Descriptor, pool: DescriptorPool) -> bytes:
    """The bytes of a JSON value; :class:`EncodeError` names the field that does not fit."""
    made = message_factory.GetMessageClass(descriptor)()
    try:
        json_format.ParseDict(value, made, descriptor_pool=pool, max_recursion_depth=MAX_DEPTH)
        return made.SerializeToString()
    except (json_format.Error, ValueError, TypeError) as error:
        text = " ".join(str(error).split())
        raise EncodeError(text, _path(text)) from error


def _path(text: str) -> str:
    """json_format tells the path in its message: ``Failed to parse a.b[0] field: …`` or ``… at 'X.a.b'``."""
    if text.startswith("Failed to parse "):
        return text.removeprefix("Failed to parse ").partition(" field: ")[0]
    return ""
