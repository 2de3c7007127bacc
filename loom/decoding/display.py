"""Decode recorded messages for display: the rows and views that the inspector shows."""

import asyncio
import base64
from collections import OrderedDict

from google.protobuf.descriptor import Descriptor

from loom.api.calls import MethodSchema, StatusDetails
from loom.api.messages import MessageRow, MessageView
from loom.api.summary import micros
from loom.codec import (
    ChainResolver,
    ContentType,
    PayloadView,
    decode_status_details,
    parse_content_type,
    preview_payload,
    view_payload,
)
from loom.codec.payload_view import TOO_LARGE
from loom.codec.status_details import StatusDetails as DecodedDetails
from loom.model import Call, Direction, Message
from loom.model.metadata import status_details
from loom.schema import LinkedDescriptorSet, Method, Schema, SchemaError

from .any_types import decode_with_any_types
from .message_decoder import message_type, payload_of
from .worker_client import DecodingWorkerError, WorkerClient
from .worker_protocol import SerializedDescriptorSet

INLINE_BYTES = 16 * 1024
SCHEMA_TIMEOUT = 3.0
_MAX_PREVIEW_BYTES = 256 * 1024
_MAX_DRIFTED_METHODS = 10_000


class DisplayDecoder:
    """Views of recorded calls. Every failure is part of a view; nothing is raised for bad bytes.

    A message of more than ``inline_bytes`` or a compressed one is decoded in the worker process. After
    ``schema_timeout`` seconds without a schema a message is shown without one.
    """

    def __init__(
        self, schema: Schema, *, schema_timeout: float = SCHEMA_TIMEOUT, inline_bytes: int = INLINE_BYTES
    ) -> None:
        self.schema = schema
        self.worker = WorkerClient()
        self._schema_timeout = schema_timeout
        self._inline_bytes = inline_bytes
        self._drifted: OrderedDict[str, bytes] = OrderedDict()  # digests of descriptor sets by method

    async def close(self) -> None:
        """End the worker process."""
        await self.worker.close()

    async def row(self, call: Call, message: Message) -> MessageRow:
        """A message on one line."""
        await asyncio.sleep(0)  # rows are decoded by the page: traffic gets its turn between them
        row = _row(message)
        if message.data is None:
            return row
        content_type = parse_content_type(call.content_type)
        method, _ = await self._method(call, content_type)
        descriptor = _descriptor(method, message.direction)
        row.type = _type_name(descriptor, content_type)
        if not self._is_inline(message):
            self.worker.prepare()
        if message.size > _MAX_PREVIEW_BYTES:
            row.preview = TOO_LARGE
            return row
        resolver = self._resolver(*_linked(method))
        row.preview, row.error = preview_payload(payload_of(message, content_type), descriptor, resolver)
        return row

    async def view(
        self, call: Call, message: Message, max_bytes: int, max_text: int | None = None
    ) -> MessageView:
        """A message in every view, with at most ``max_bytes`` in hex and base64 and ``max_text`` of JSON text.

        The views of a large message are :class:`msgspec.Raw` JSON.
        """
        content_type = parse_content_type(call.content_type)
        method, problem = await self._method(call, content_type)
        if message.data is None:
            empty = PayloadView(content_type.encoding, error="the bytes of this message are no longer held")
            return _view(message, method, problem, content_type, empty)
        view = await self._view_payload(message, method, content_type, max_bytes, max_text)
        if method is not None and (view.drift or view.tree is None):
            refreshed = await self.schema.refresh_on_drift(method)
            if refreshed is not None:
                method = refreshed
                view = await self._view_payload(message, method, content_type, max_bytes, max_text)
            if view.drift:
                self._record_drift(method)
        return _view(message, method, problem, content_type, view)

    async def schema_info(self, call: Call) -> MethodSchema:
        """Where the descriptors of the call's method came from, or why there are none."""
        method, problem = await self._method(call, parse_content_type(call.content_type))
        if method is None:
            return MethodSchema(
                source=None,
                origin=None,
                fetched_us=None,
                request_type=None,
                response_type=None,
                error=str(problem),
                drift=False,
                problems=self.schema.problems_with(problem.problems if problem else ()),
            )
        return MethodSchema(
            source=method.provenance.source,
            origin=method.provenance.origin,
            fetched_us=micros(method.provenance.fetched_ns),
            request_type=method.request.full_name,
            response_type=method.response.full_name,
            error=None,
            drift=self._has_drifted(method),
            problems=self.schema.problems_with(method.problems),
        )

    async def status_details(self, call: Call) -> StatusDetails | None:
        """The decoded error details of an ended call; None if it has none."""
        raw = call.status.details if call.status else None
        if raw is None:
            raw = status_details(call.trailing_metadata or ())
        if raw is None:
            return None

        async def decode(extra: list[LinkedDescriptorSet]) -> DecodedDetails:
            return decode_status_details(raw, self._resolver(*extra))

        details = await decode_with_any_types(
            self.schema, decode, lambda result: result.missing_types, fetch_timeout=self._schema_timeout
        )
        return StatusDetails(
            type="google.rpc.Status",
            code=details.code,
            message=details.message,
            details=details.details,
            raw_base64=base64.b64encode(details.raw).decode(),
            error=details.error,
        )

    async def _method(
        self, call: Call, content_type: ContentType
    ) -> tuple[Method | None, SchemaError | None]:
        if not content_type.is_protobuf:
            return None, SchemaError(
                f"the messages are {content_type.encoding}, not protobuf: no schema is needed"
            )
        try:
            async with asyncio.timeout(self._schema_timeout):
                return await self.schema.method(call.method), None
        except SchemaError as error:
            return None, error
        except TimeoutError:
            return None, SchemaError(
                "the schema is still being fetched: try again in a moment", temporary=True
            )

    async def _view_payload(
        self,
        message: Message,
        method: Method | None,
        content_type: ContentType,
        max_bytes: int,
        max_text: int | None,
    ) -> PayloadView:
        async def decode(extra: list[LinkedDescriptorSet]) -> PayloadView:
            descriptor_sets = [*_linked(method), *extra]
            return await self._decode(message, method, content_type, descriptor_sets, max_bytes, max_text)

        return await decode_with_any_types(
            self.schema, decode, lambda result: result.missing_types, fetch_timeout=self._schema_timeout
        )

    async def _decode(
        self,
        message: Message,
        method: Method | None,
        content_type: ContentType,
        descriptor_sets: list[LinkedDescriptorSet],
        max_bytes: int,
        max_text: int | None,
    ) -> PayloadView:
        payload = payload_of(message, content_type)
        descriptor = _descriptor(method, message.direction)
        if self._is_inline(message):
            return view_payload(payload, descriptor, self._resolver(*descriptor_sets), max_bytes, max_text)
        serialized = [
            SerializedDescriptorSet(item.digest, item.serialized)
            for item in (*descriptor_sets, self.schema.built_in_types)
        ]
        type_name = descriptor.full_name if descriptor is not None and _linked(method) else ""
        try:
            return await self.worker.view_payload(payload, type_name, serialized, max_bytes, max_text)
        except DecodingWorkerError as error:
            view = PayloadView(content_type.encoding, error=str(error))
            view.show_bytes(payload.data, max_bytes)
            return view

    def _is_inline(self, message: Message) -> bool:
        return message.size <= self._inline_bytes and not message.compressed

    def _resolver(self, *descriptor_sets: LinkedDescriptorSet) -> ChainResolver:
        return ChainResolver(item.pool for item in (*descriptor_sets, self.schema.built_in_types))

    def _has_drifted(self, method: Method) -> bool:
        return method.descriptor_set is not None and (
            self._drifted.get(method.path) == method.descriptor_set.digest
        )

    def _record_drift(self, method: Method) -> None:
        if method.descriptor_set is not None:
            self._drifted[method.path] = method.descriptor_set.digest
            if len(self._drifted) > _MAX_DRIFTED_METHODS:
                self._drifted.popitem(last=False)


def _row(message: Message) -> MessageRow:
    return MessageRow(
        index=message.index,
        direction=message.direction,
        time_us=message.time_ns // 1000,
        size=message.size,
        compressed=message.compressed,
        encoding=message.encoding,
        dropped=message.data is None,
        type=None,
        preview="",
        error=None,
    )


def _view(
    message: Message,
    method: Method | None,
    problem: SchemaError | None,
    content_type: ContentType,
    view: PayloadView,
) -> MessageView:
    return MessageView(
        index=message.index,
        direction=message.direction,
        time_us=message.time_ns // 1000,
        size=message.size,
        compressed=message.compressed,
        encoding=message.encoding,
        dropped=message.data is None,
        type=_type_name(_descriptor(method, message.direction), content_type),
        preview=view.preview,
        error=view.error,
        json=view.json,
        json_text=view.json_text,
        json_cut=view.json_cut,
        tree=view.tree,
        wire=view.wire,
        hex=view.hex,
        data_base64=view.data_base64,
        truncated=view.truncated,
        source=method.provenance.source if method else None,
        schema_error=str(problem) if problem else None,
        drift=view.drift,
        protocol=content_type.protocol,
        payload=view.payload,
    )


def _type_name(descriptor: Descriptor | None, content_type: ContentType) -> str | None:
    if not content_type.is_protobuf:
        return content_type.encoding
    return descriptor.full_name if descriptor else None


def _descriptor(method: Method | None, direction: Direction) -> Descriptor | None:
    return None if method is None else message_type(method, direction)


def _linked(method: Method | None) -> list[LinkedDescriptorSet]:
    """The descriptor set of a method, as a list of one or none."""
    return [] if method is None or method.descriptor_set is None else [method.descriptor_set]
