"""Decodes recorded messages when somebody looks: schema and codec together."""

import asyncio
from collections import OrderedDict
from typing import Any

from loom.api.summary import micros
from loom.codec import (
    ChainResolver,
    Content,
    Payload,
    PayloadView,
    parse_content_type,
    preview_payload,
    status_details,
    view_payload,
)
from loom.codec.payload_view import TOO_LARGE
from loom.decoding.worker_client import DecodingWorkerError, SerializedDescriptorSet, WorkerClient
from loom.model import Call, Direction, Message
from loom.schema import LinkedDescriptorSet, Method, Schema, SchemaError

INLINE_BYTES = 16 * 1024  # what is decoded on the loop itself; more goes to the worker process
PATIENCE = 3.0  # seconds that a view waits for a schema before it shows the bytes without one
_PREVIEW_BYTES = 256 * 1024
_MOST_TYPES = 16
_ROUNDS = 3  # Anys in Anys: each round may name types that the one before could not open
_MAX_DRIFTED = 10_000


class DisplayDecoder:
    """Views of recorded calls. Every failure is part of the answer; nothing here raises for bad bytes."""

    def __init__(self, schema: Schema, *, patience: float = PATIENCE) -> None:
        self.schema = schema
        self.worker = WorkerClient()
        self._patience = patience
        self._drifted: OrderedDict[str, bytes] = OrderedDict()

    async def close(self) -> None:
        """End the worker process."""
        await self.worker.close()

    async def row(self, call: Call, message: Message) -> dict[str, Any]:
        """The message in one line."""
        await asyncio.sleep(0)  # a page of rows leaves room for traffic
        row = _row(message)
        if message.data is None:
            return row
        content = parse_content_type(call.content_type)
        method, _ = await self._method(call, content)
        row["type"] = _type(method, message.direction, content)
        if message.size > INLINE_BYTES or message.compressed:
            self.worker.prepare()
        if message.size > _PREVIEW_BYTES:
            return row | {"preview": TOO_LARGE}
        payload, built = _payload(message, content), _built(method)
        text, error = preview_payload(
            payload, _descriptor(method, message.direction), _types([built], self.schema)
        )
        return row | {"preview": text, "error": error}

    async def view(
        self, call: Call, message: Message, max_bytes: int, max_text: int | None = None
    ) -> dict[str, Any]:
        """The message in every view; hex and base64 show at most ``max_bytes`` of it, the JSON text ``max_text``.

        The views of a large message are :class:`msgspec.Raw`: JSON already.
        """
        content = parse_content_type(call.content_type)
        method, problem = await self._method(call, content)
        if message.data is None:
            held = {"error": "the bytes of this message are not held any more"}
            return _view_of(message, method, problem, content) | _NOTHING | held
        fields = await self._rendered(message, method, content, max_bytes, max_text)
        if method is not None and (fields["drift"] or fields["tree"] is None):
            newer = await self.schema.refresh_on_drift(method)
            if newer is not None:
                method = newer
                fields = await self._rendered(message, method, content, max_bytes, max_text)
            if fields["drift"]:
                self._remember_drift(method)
        return _view_of(message, method, problem, content) | fields

    async def schema_info(self, call: Call) -> dict[str, Any] | None:
        """Where the method's descriptor came from, or why there is none."""
        content = parse_content_type(call.content_type)
        method, problem = await self._method(call, content)
        if method is None:
            return _NO_SCHEMA | {"error": problem, "problems": self.schema.problems}
        return {
            "source": method.provenance.source,
            "origin": method.provenance.origin,
            "fetched_us": micros(method.provenance.fetched_ns),
            "request_type": method.request.full_name,
            "response_type": method.response.full_name,
            "error": None,
            "drift": method.descriptor_set is not None
            and self._drifted.get(method.path) == method.descriptor_set.digest,
            "problems": [*method.problems, *self.schema.problems],
        }

    async def status_details(self, call: Call) -> dict[str, Any] | None:
        """The opened error details of an ended call; None where it carried none."""
        raw = call.status.details if call.status else None
        if raw is None:
            raw = _details_in(call)
        if raw is None:
            return None
        extra: list[LinkedDescriptorSet] = []
        found = status_details(raw, _types(extra, self.schema))
        for _ in range(_ROUNDS):
            fetched = await self._fetch_types(found.missing)
            if not fetched:
                break
            extra += fetched
            found = status_details(raw, _types(extra, self.schema))
        return found.as_json()

    async def _method(self, call: Call, content: Content) -> tuple[Method | None, str]:
        if not content.is_protobuf:
            return None, f"the messages are {content.encoding}, not protobuf: no schema is needed"
        return await self._patiently(call.method)

    async def _patiently(self, path: str) -> tuple[Method | None, str]:
        try:
            async with asyncio.timeout(self._patience):
                return await self.schema.method(path), ""
        except SchemaError as error:
            return None, str(error)
        except TimeoutError:
            return None, "the schema is still being fetched: look again in a moment"

    async def _rendered(
        self,
        message: Message,
        method: Method | None,
        content: Content,
        max_bytes: int,
        max_text: int | None,
    ) -> dict[str, Any]:
        """Render; fetch the types that Anys name and render again, as long as that finds new ones."""
        extra: list[LinkedDescriptorSet] = []
        rendered = await self._render(message, method, content, extra, max_bytes, max_text)
        for _ in range(_ROUNDS):
            fetched = await self._fetch_types(rendered.missing)
            if not fetched:
                break
            extra += fetched
            rendered = await self._render(message, method, content, extra, max_bytes, max_text)
        return rendered.fields

    async def _render(
        self,
        message: Message,
        method: Method | None,
        content: Content,
        extra: list[LinkedDescriptorSet],
        max_bytes: int,
        max_text: int | None,
    ) -> PayloadView:
        payload, built = _payload(message, content), _built(method)
        descriptor = _descriptor(method, message.direction)
        if message.size <= INLINE_BYTES and not message.compressed:
            types = _types([built, *extra], self.schema)
            return view_payload(payload, descriptor, types, max_bytes, max_text)
        pools = [item for item in (built, *extra, self.schema.built_in_types) if item is not None]
        files = [SerializedDescriptorSet(item.digest, item.serialized) for item in pools]
        name = descriptor.full_name if descriptor is not None and built is not None else ""
        try:
            return await self.worker.view_payload(payload, name, files, max_bytes, max_text)
        except DecodingWorkerError as error:
            data = message.data or b""
            shown = data[:max_bytes]
            return PayloadView(
                _NOTHING | {"error": str(error), "hex": shown.hex(), "truncated": len(data) - len(shown)}
            )

    async def _fetch_types(self, names: set[str] | frozenset[str]) -> list[LinkedDescriptorSet]:
        wanted = [name for name in sorted(names) if name][:_MOST_TYPES]
        try:
            async with asyncio.timeout(self._patience):
                found = await asyncio.gather(*(self.schema.find_descriptor_set(name) for name in wanted))
        except TimeoutError:
            return []
        return [built for built in found if built is not None]

    def _remember_drift(self, method: Method) -> None:
        if method.descriptor_set is not None:
            self._drifted[method.path] = method.descriptor_set.digest
            if len(self._drifted) > _MAX_DRIFTED:
                self._drifted.popitem(last=False)


_NOTHING: dict[str, Any] = {
    "json": None,
    "json_text": None,
    "json_cut": False,
    "tree": None,
    "wire": None,
    "error": None,
    "drift": False,
    "hex": "",
    "data_base64": "",
    "truncated": 0,
}
_NO_SCHEMA: dict[str, Any] = {
    "source": None,
    "origin": None,
    "fetched_us": None,
    "request_type": None,
    "response_type": None,
    "drift": False,
}


def _row(message: Message) -> dict[str, Any]:
    return {
        "index": message.index,
        "direction": message.direction.value,
        "time_us": micros(message.time_ns),
        "size": message.size,
        "compressed": message.compressed,
        "encoding": message.encoding,
        "dropped": message.data is None,
        "type": None,
        "preview": "",
        "error": None,
    }


def _view_of(message: Message, method: Method | None, problem: str, content: Content) -> dict[str, Any]:
    return _row(message) | {
        "type": _type(method, message.direction, content),
        "source": method.provenance.source if method else None,
        "schema_error": problem or None,
        "protocol": content.protocol,
        "payload": content.encoding,
    }


def _type(method: Method | None, direction: Direction, content: Content) -> str | None:
    if not content.is_protobuf:
        return content.encoding
    descriptor = _descriptor(method, direction)
    return descriptor.full_name if descriptor else None


def _descriptor(method: Method | None, direction: Direction) -> Any:
    if method is None:
        return None
    return method.request if direction is Direction.REQUEST else method.response


def _built(method: Method | None) -> LinkedDescriptorSet | None:
    return method.descriptor_set if method else None


def _types(
    built: list[LinkedDescriptorSet | None] | list[LinkedDescriptorSet], schema: Schema
) -> ChainResolver:
    return ChainResolver([*(item.pool for item in built if item is not None), schema.built_in_types.pool])


def _payload(message: Message, content: Content) -> Payload:
    compression = (message.encoding or "gzip") if message.compressed else ""
    return Payload(message.data or b"", compression, content.encoding)


def _details_in(call: Call) -> bytes | None:
    for key, value in call.trailing_metadata or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            return value
    return None
