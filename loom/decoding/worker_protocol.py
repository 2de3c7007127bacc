"""The messages between Loom and its decoding worker."""

from dataclasses import dataclass
from typing import Any

import msgspec


class DecodeRequest(msgspec.Struct):
    """A payload to decode for display.

    ``digests`` name the descriptor sets: the first defines ``type_name``, all of them types of Anys.
    ``descriptor_sets``, in the same order, are serialised ``FileDescriptorSet``s; they are sent only when the worker
    asks for them. An empty ``type_name`` decodes without a schema.
    """

    data: bytes
    compression: str
    encoding: str
    type_name: str
    digests: list[bytes]
    descriptor_sets: list[bytes]
    max_bytes: int
    max_text: int | None


class DecodeResponse(msgspec.Struct):
    """The views of a payload: ``fields`` are values, ``json_fields`` are JSON that is passed on as it is.

    ``needs_descriptor_sets``: the worker has not got all of them (any longer), and did nothing else.
    """

    fields: dict[str, Any] = {}
    json_fields: dict[str, bytes] = {}
    missing_types: list[str] = []
    needs_descriptor_sets: bool = False


@dataclass(frozen=True, slots=True)
class SerializedDescriptorSet:
    """A serialised ``FileDescriptorSet``, imports first, and its digest."""

    digest: bytes
    data: bytes
