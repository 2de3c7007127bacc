"""The .proto files of tests/fixtures/protos, compiled once, as message classes."""

from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import message_factory

from loom.codec import MessageContent, decode_content, parse
from loom.schema import LinkedDescriptorSet, compile_protos
from loom.schema.linker import link

FOLDER = Path(__file__).parents[1] / "fixtures" / "protos"


@cache
def linked_protos() -> LinkedDescriptorSet:
    """All of them in one pool."""
    descriptor_set = link(compile_protos(sorted(FOLDER.glob("*.proto")), [FOLDER]).file)
    assert descriptor_set.problems == ()
    return descriptor_set


def descriptor(name: str) -> Any:
    """The descriptor of ``Scalars``, ``older.Base`` or, from anywhere, ``google.protobuf.Any``."""
    full_name = name if name.startswith("google.") else f"loom.test.{name}"
    return linked_protos().pool.FindMessageTypeByName(full_name)


def message(name: str, /, **fields: Any) -> Any:
    """A message of such a type."""
    return message_factory.GetMessageClass(descriptor(name))(**fields)


def an_any(inner: Any) -> Any:
    """An Any that holds a message."""
    url = f"type.googleapis.com/{inner.DESCRIPTOR.full_name}"
    return message("google.protobuf.Any", type_url=url, value=inner.SerializeToString())


def content(data: bytes, kind: Any) -> MessageContent:
    """These bytes decoded for display; raises :class:`loom.codec.DecodeError`."""
    return decode_content(parse(data, kind), len(data), linked_protos().pool)
