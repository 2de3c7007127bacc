"""A call's messages as values that actions work on: decompressed, decoded, or with the reason why not."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor

from loom.codec import (
    ChainResolver,
    CompressionError,
    DecodeError,
    JsonDecoder,
    TypeResolver,
    decompress,
    parse_content_type,
    status_details,
    type_name,
)
from loom.model import Call, Direction, Message
from loom.schema import Method, Schema, SchemaError

_ROUNDS = 3  # Anys in Anys: each round may name types that the one before could not open
_INLINE_BYTES = 16 * 1024
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class DecodedMessage:
    """``json`` is the canonical protobuf JSON value, or ``error`` says why there is none.

    ``opaque`` tells of Anys of unknown type, whose bytes ``json`` holds under ``@value``; ``missing`` are the types
    that they name. ``unknown`` tells of fields that the schema does not know, which ``json`` lacks. ``data`` is the
    payload decompressed, None where it is not held. ``type`` describes ``json``.
    """

    index: int
    direction: Direction
    json: Any = None
    error: str = ""
    opaque: str = ""
    unknown: bool = False
    data: bytes | None = None
    missing: frozenset[str] = frozenset()
    type: Descriptor | None = None


@dataclass(frozen=True, slots=True)
class DecodedCall:
    """A call's decoded messages, by which method and types; ``problem`` says why there is no method.

    ``details`` are the error details of its status, each as the JSON of an Any; None where there are none, or
    where they cannot be read.
    """

    messages: list[DecodedMessage]
    method: Method | None
    types: TypeResolver
    problem: str = ""
    details: list[Any] | None = None


async def decode_call(schema: Schema, call: Call, direction: Direction | None = None) -> DecodedCall:
    """Decode the held messages of a call (of one direction), with the types that Anys in them name.

    Every failure is part of the answer: nothing is raised for bad bytes or a schema that is not there.
    """
    content = parse_content_type(call.content_type)
    if content.is_protobuf:
        method, problem = await method_of(schema, call.method)
    else:
        method, problem = None, f"its messages are {content.encoding}, not protobuf"
    known: list[TypeResolver] = (
        [schema.built_in_types.pool] if method is None else [method.pool, schema.built_in_types.pool]
    )
    types = ChainResolver(known)
    messages = await decode_messages(call, method, types, direction=direction, problem=problem)
    for _ in range(_ROUNDS):
        missing = frozenset[str]().union(*(item.missing for item in messages))
        found = [built for name in missing if (built := await schema.find_descriptor_set(name)) is not None]
        if not found:
            break
        types = ChainResolver([*known, *(built.pool for built in found)])
        messages = await decode_messages(call, method, types, direction=direction, problem=problem)
    return DecodedCall(messages, method, types, problem, await _details(schema, call, types))


async def _details(schema: Schema, call: Call, types: TypeResolver) -> list[Any] | None:
    raw = call.status.details if call.status else None
    if raw is None:
        return None
    found = status_details(raw, types)
    for _ in range(_ROUNDS):
        extra = [
            built.pool
            for name in found.missing
            if (built := await schema.find_descriptor_set(name)) is not None
        ]
        if not extra:
            break
        types = ChainResolver([types, *extra])
        found = status_details(raw, types)
    if found.error or any(item["json"] is None for item in found.details):
        return None
    return [{"@type": item["type"], "value": item["json"]} for item in found.details]


async def with_any_types(value: Any, types: TypeResolver, schema: Schema) -> TypeResolver:
    """``types``, and those that JSON values name in their Anys where some source knows them."""
    pools = [
        built.pool
        for name in sorted(_any_types(value))
        if (built := await schema.find_descriptor_set(name)) is not None
    ]
    return ChainResolver([types, *pools]) if pools else types


def _any_types(value: Any) -> set[str]:
    if isinstance(value, list):
        return set[str]().union(*(_any_types(item) for item in value))
    if not isinstance(value, dict):
        return set()
    inner = set[str]().union(*(_any_types(item) for item in value.values()))
    url = value.get("@type")
    return inner | {type_name(url)} if isinstance(url, str) else inner


async def method_of(schema: Schema, path: str) -> tuple[Method | None, str]:
    """The method's schema, or why there is none."""
    try:
        return await schema.method(path), ""
    except SchemaError as error:
        return None, str(error)


async def decode_messages(
    call: Call,
    method: Method | None,
    types: TypeResolver | None = None,
    *,
    direction: Direction | None = None,
    problem: str = "no schema",
) -> list[DecodedMessage]:
    """The held messages of a call (of one direction) in order.

    ``types`` knows what Anys hold (the method's own files if not given); ``problem`` is the error of every message
    where there is no ``method``. More than a little is decoded in a thread, piece by piece, so that traffic gets
    its turn.
    """
    wanted = [item for item in call.messages if direction is None or item.direction is direction]
    if sum(item.size for item in wanted) <= _INLINE_BYTES:
        return decode_all(wanted, method, problem, types)
    decoded: list[DecodedMessage] = []
    piece: list[Message] = []
    size = 0
    for item in wanted:
        piece.append(item)
        size += item.size + 256
        if size >= _CHUNK_BYTES:
            decoded += await asyncio.to_thread(decode_all, piece, method, problem, types)
            piece, size = [], 0
    return decoded + await asyncio.to_thread(decode_all, piece, method, problem, types)


def decode_all(
    messages: Sequence[Message], method: Method | None, problem: str, types: TypeResolver | None = None
) -> list[DecodedMessage]:
    """These messages, decoded here and now; see :func:`decode_messages`."""
    decoder = MessageDecoder(method, types or (method.pool if method else ChainResolver(())), problem)
    return [decoder.decode(message) for message in messages]


class MessageDecoder:
    """Decodes the messages of one method, one after the other; ``problem`` is their error where it is None.

    How the fields of a type are read is worked out once. Not for use by several threads at once.
    """

    def __init__(self, method: Method | None, types: TypeResolver, problem: str) -> None:
        self._method = method
        self._problem = problem
        self._json = JsonDecoder(types)

    def decode(self, message: Message) -> DecodedMessage:
        """The message as a value, or why there is none."""
        where = (message.index, message.direction)
        if message.data is None:
            return DecodedMessage(*where, error="its bytes are no longer held")
        try:
            data = decompress_message(message)
        except CompressionError as error:
            return DecodedMessage(*where, error=str(error))
        method = self._method
        if method is None:
            return DecodedMessage(*where, error=self._problem, data=data)
        descriptor = method.request if message.direction is Direction.REQUEST else method.response
        try:
            decoded = self._json.decode(data, descriptor)
        except DecodeError as error:
            return DecodedMessage(*where, error=str(error), data=data)
        return DecodedMessage(
            *where,
            json=decoded.json,
            opaque=decoded.json_error,
            unknown=decoded.unknown,
            data=data,
            missing=decoded.missing,
            type=descriptor,
        )


def decompress_message(message: Message) -> bytes:
    """The payload without its compression; :class:`loom.codec.CompressionError` if it cannot be undone."""
    data = message.data or b""
    return decompress(data, message.encoding or "gzip") if message.compressed else data
