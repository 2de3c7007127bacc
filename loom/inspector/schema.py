"""What describes the messages, and files that somebody adds to it (``/api/schema…``)."""

import asyncio
import base64
import binascii

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from loom.api.summary import micros
from loom.schema import SchemaError, UploadError, outline
from loom.schema.uploads import MAX_BYTES

from .calls import found
from .context import inspector_of
from .responses import ApiError, Json

_BASE64_GROWTH = 2  # base64 and JSON around it
_PATIENCE = 3.0  # seconds that a reader waits for the target's reflection


class _File(msgspec.Struct):
    """A ``.proto`` file as text, or a descriptor set in base64."""

    name: str
    text: str | None = None
    base64: str | None = None


class _Files(msgspec.Struct):
    files: list[_File]


async def sources(request: Request) -> Response:
    """Where descriptors come from, in the order in which it is asked, and what of it cannot be used."""
    schema = inspector_of(request).decoder.schema
    return Json(
        {"sources": [{"name": source.name, "problems": list(source.problems)} for source in schema.sources]}
    )


async def of_call(request: Request) -> Response:
    """Services, messages and enums of the method's schema, and where it came from."""
    inspector = inspector_of(request)
    call = await found(request, inspector)
    try:
        async with asyncio.timeout(_PATIENCE):
            method = await inspector.decoder.schema.method(call.method)
    except SchemaError as error:
        raise ApiError(404, str(error), "attach .proto files, or start Loom with --proto") from error
    except TimeoutError:
        raise ApiError(503, "the schema is still being fetched", "look again in a moment") from None
    made = await asyncio.to_thread(outline, method)  # a large one takes tens of milliseconds
    return Json(
        {
            "source": method.provenance.source,
            "origin": method.provenance.origin,
            "fetched_us": micros(method.provenance.fetched_ns),
            "services": made.services,
            "messages": made.messages,
            "enums": made.enums,
            "more": made.more,
        }
    )


async def add_uploads(request: Request) -> Response:
    """Take in files; calls that are recorded already decode with them from now on."""
    files = {file.name: _content(file) for file in await _body(request)}
    try:
        source = await inspector_of(request).decoder.schema.add_uploads(files)
    except UploadError as error:
        raise ApiError(422, str(error)) from error
    return Json({"services": source.services, "problems": source.problems})


async def _body(request: Request) -> list[_File]:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BYTES * _BASE64_GROWTH:
            raise ApiError(
                413, f"more than {MAX_BYTES} bytes of files", "attach fewer, or pass them with --proto"
            )
    try:
        return msgspec.json.decode(bytes(body), type=_Files).files
    except msgspec.DecodeError as error:
        raise ApiError(
            400, f"the body is not as expected: {error}", 'send {"files": [{"name": "a.proto", "text": "…"}]}'
        ) from error


def _content(file: _File) -> bytes:
    if file.text is not None:
        return file.text.encode()
    try:
        return base64.b64decode(file.base64 or "", validate=True)
    except binascii.Error as error:
        raise ApiError(400, f"{file.name}: base64 is not valid: {error}") from error


routes = [
    Route("/api/schema", sources, methods=["GET"]),
    Route("/api/calls/{id:int}/schema", of_call),
    Route("/api/schema/protos", add_uploads, methods=["POST"]),
]
