"""The messages between Loom and its decoding worker."""

from dataclasses import dataclass

import msgspec

from loom.codec import PayloadView


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
    """The view of a payload without its ``json_fields``, which are JSON that is passed on as it is.

    No ``view``: the worker has not got all descriptor sets (any longer), and did nothing else.
    """

    view: PayloadView | None = None
    json_fields: dict[str, bytes] = {}


@dataclass(frozen=True, slots=True)
class SerializedDescriptorSet:
    """A serialised ``FileDescriptorSet``, imports first, and its digest."""

    digest: bytes
    data: bytes
