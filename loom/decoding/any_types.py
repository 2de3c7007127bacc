"""Fetch the types that Anys name, and decode again with them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from loom.codec import ChainResolver, TypeResolver, type_name
from loom.schema import LinkedDescriptorSet, Schema

MAX_ROUNDS = 3  # Anys within Anys: each round may name types that were not visible in the round before
MAX_TYPES = 16  # fetched in one round

T = TypeVar("T")


async def decode_with_any_types(
    schema: Schema,
    decode: Callable[[list[LinkedDescriptorSet]], Awaitable[T]],
    missing_types: Callable[[T], Iterable[str]],
    *,
    fetch_timeout: float | None = None,
) -> T:
    """Decode, fetch the types that are missing, and decode again, as long as a source knows a further type.

    ``decode`` gets the descriptor sets fetched so far; ``missing_types`` returns the type names that its result lacks.
    ``fetch_timeout`` limits one round of fetching, in seconds.
    """
    extra: list[LinkedDescriptorSet] = []
    decoded = await decode(extra)
    for _ in range(MAX_ROUNDS):
        fetched = await _fetch(schema, missing_types(decoded), fetch_timeout)
        if not fetched:
            break
        extra += fetched
        decoded = await decode(extra)
    return decoded


async def with_any_types(value: Any, resolver: TypeResolver, schema: Schema) -> TypeResolver:
    """``resolver`` extended by the types that the Anys of a JSON value name, if a source knows them."""
    descriptor_sets = [
        descriptor_set
        for name in sorted(_any_types(value))
        if (descriptor_set := await schema.find_descriptor_set(name)) is not None
    ]
    if not descriptor_sets:
        return resolver
    return ChainResolver([resolver, *(descriptor_set.pool for descriptor_set in descriptor_sets)])


async def _fetch(
    schema: Schema, names: Iterable[str], fetch_timeout: float | None
) -> list[LinkedDescriptorSet]:
    requested = [name for name in sorted(names) if name][:MAX_TYPES]
    try:
        async with asyncio.timeout(fetch_timeout):
            results = await asyncio.gather(*(schema.find_descriptor_set(name) for name in requested))
    except TimeoutError:
        return []
    return [descriptor_set for descriptor_set in results if descriptor_set is not None]


def _any_types(value: Any) -> set[str]:
    if isinstance(value, list):
        return set[str]().union(*(_any_types(item) for item in value))
    if not isinstance(value, dict):
        return set()
    names = set[str]().union(*(_any_types(item) for item in value.values()))
    url = value.get("@type")
    return names | {type_name(url)} if isinstance(url, str) else names
