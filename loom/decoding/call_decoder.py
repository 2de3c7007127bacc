"""Decode all messages of a call to JSON values, for what is done with calls: diff, replay, grpcurl, exports."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from loom.codec import ChainResolver, TypeResolver, decode_status_details, parse_content_type
from loom.model import Call, Direction, Message
from loom.schema import LinkedDescriptorSet, Method, Schema, SchemaError

from .any_types import decode_with_any_types
from .message_decoder import DecodedMessage, MessageDecoder

_INLINE_BYTES = 16 * 1024  # decoded on the event loop; more is decoded in a thread
_BATCH_BYTES = 1024 * 1024  # decoded between two turns of the event loop
_MESSAGE_OVERHEAD = 256  # bytes that a message counts for beside its size


@dataclass(frozen=True, slots=True)
class DecodedCall:
    """The decoded messages of a call, with the method and the types that they were decoded with.

    ``problem`` says why there is no method. ``details`` are the error details of the call's status, each as the JSON of
    an Any; None if there are none or if one of them cannot be decoded.
    """

    messages: list[DecodedMessage]
    method: Method | None
    resolver: TypeResolver
    problem: str = ""
    details: list[Any] | None = None


async def decode_call(schema: Schema, call: Call, direction: Direction | None = None) -> DecodedCall:
    """Decode the held messages of a call, in one ``direction`` or both, with the types that their Anys name.

    Nothing is raised for bad bytes or a missing schema: that is part of the result.
    """
    method, problem = await _find_method(schema, call)
    messages = [item for item in call.messages if direction is None or item.direction is direction]
    base = [schema.built_in_types.pool] if method is None else [method.pool, schema.built_in_types.pool]

    async def decode(extra: list[LinkedDescriptorSet]) -> tuple[TypeResolver, list[DecodedMessage]]:
        resolver = ChainResolver([*base, *(item.pool for item in extra)])
        decoder = MessageDecoder(method, resolver, problem)
        return resolver, await _decode_messages(decoder, messages)

    resolver, decoded = await decode_with_any_types(
        schema, decode, lambda result: frozenset[str]().union(*(item.missing_types for item in result[1]))
    )
    details = await _decode_details(schema, call, resolver)
    return DecodedCall(decoded, method, resolver, problem, details)


async def _find_method(schema: Schema, call: Call) -> tuple[Method | None, str]:
    content_type = parse_content_type(call.content_type)
    if not content_type.is_protobuf:
        return None, f"its messages are {content_type.encoding}, not protobuf"
    try:
        return await schema.method(call.method), ""
    except SchemaError as error:
        return None, str(error)


async def _decode_messages(decoder: MessageDecoder, messages: Sequence[Message]) -> list[DecodedMessage]:
    """Decode messages; large ones in a thread and in batches, so that traffic gets its turn."""
    if sum(item.size for item in messages) <= _INLINE_BYTES:
        return [decoder.decode(item) for item in messages]
    decoded: list[DecodedMessage] = []
    batch: list[Message] = []
    size = 0
    for item in messages:
        batch.append(item)
        size += item.size + _MESSAGE_OVERHEAD
        if size >= _BATCH_BYTES:
            decoded += await asyncio.to_thread(_decode_batch, decoder, batch)
            batch, size = [], 0
    return decoded + await asyncio.to_thread(_decode_batch, decoder, batch)


def _decode_batch(decoder: MessageDecoder, messages: list[Message]) -> list[DecodedMessage]:
    return [decoder.decode(item) for item in messages]


async def _decode_details(schema: Schema, call: Call, resolver: TypeResolver) -> list[Any] | None:
    raw = call.status.details if call.status else None
    if raw is None:
        return None

    async def decode(extra: list[LinkedDescriptorSet]) -> Any:
        return decode_status_details(raw, ChainResolver([resolver, *(item.pool for item in extra)]))

    decoded = await decode_with_any_types(schema, decode, lambda details: details.missing_types)
    if decoded.error or any(item.json is None for item in decoded.details):
        return None
    return [{"@type": item.type, "value": item.json} for item in decoded.details]
