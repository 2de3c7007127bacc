"""Where descriptors come from, what they describe, and files that are uploaded (``/api/schema``)."""

import asyncio
import base64
import binascii

from starlette.requests import Request
from starlette.responses import Response

from loom.api import endpoints
from loom.api.schema import (
    CallSchema,
    RemovalParameters,
    SchemaFile,
    SchemaSource,
    SchemaSources,
    SchemaUpload,
    UploadedFile,
    Uploads,
)
from loom.inspector.context import inspector_of
from loom.inspector.requests import find_call, read_body, read_parameters
from loom.inspector.responses import ApiError, JsonResponse
from loom.inspector.routing import route
from loom.schema import MemorySource, Schema, SchemaError, UploadError, outline
from loom.schema.uploads import MAX_BYTES

_MAX_BODY = 2 * MAX_BYTES  # base64, and JSON around it
_PATIENCE = 3.0  # seconds that an answer waits for the target's reflection


async def list_sources(request: Request) -> Response:
    """All sources of descriptors, in the order in which they are asked."""
    schema = inspector_of(request).decoder.schema
    sources = [
        SchemaSource(
            source.name, list(source.problems), isinstance(source, MemorySource) and source.is_loading
        )
        for source in schema.sources
    ]
    return JsonResponse(SchemaSources(sources))


async def get_call_schema(request: Request) -> Response:
    """The outline of a call's method, and where it came from."""
    call = await find_call(request)
    try:
        async with asyncio.timeout(_PATIENCE):
            method = await inspector_of(request).decoder.schema.method(call.method)
    except SchemaError as error:
        raise ApiError(404, str(error), "upload .proto files, or start Loom with --proto") from error
    except TimeoutError:
        raise ApiError(503, "the schema is still being fetched", "try again in a moment") from None
    schema_outline = await asyncio.to_thread(outline, method)  # a large one takes tens of milliseconds
    provenance = method.provenance
    return JsonResponse(
        CallSchema(
            services=schema_outline.services,
            messages=schema_outline.messages,
            enums=schema_outline.enums,
            more=schema_outline.more,
            source=provenance.source,
            origin=provenance.origin,
            fetched_us=provenance.fetched_ns // 1000,
        )
    )


async def list_uploads(request: Request) -> Response:
    """The files that have been uploaded."""
    return _uploads(inspector_of(request).decoder.schema)


async def upload_schema(request: Request) -> Response:
    """Add files; recorded calls are decoded with them from now on."""
    upload = await read_body(request, SchemaUpload, _MAX_BODY)
    files = {file.name: _content(file) for file in upload.files}
    schema = inspector_of(request).decoder.schema
    try:
        await schema.add_uploads(files)
    except UploadError as error:
        raise ApiError(422, str(error)) from error
    return _uploads(schema)


async def remove_uploads(request: Request) -> Response:
    """Remove one uploaded file, or all."""
    name = read_parameters(request, RemovalParameters).name
    schema = inspector_of(request).decoder.schema
    if name is not None and name not in schema.uploads:
        raise ApiError(404, f"no file {name!r} has been uploaded", "GET /api/schema/protos lists them")
    await schema.remove_uploads(None if name is None else [name])
    return _uploads(schema)


def _uploads(schema: Schema) -> Response:
    source = schema.upload_source
    files = [UploadedFile(name, size) for name, size in schema.uploads.items()]
    return JsonResponse(Uploads(files, source.services, source.problems))


def _content(file: SchemaFile) -> bytes:
    if file.text is not None:
        return file.text.encode()
    try:
        return base64.b64decode(file.base64 or "", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ApiError(400, f"{file.name}: base64 is not valid: {error}", field="files") from error


routes = [
    route(endpoints.LIST_SOURCES, list_sources),
    route(endpoints.GET_CALL_SCHEMA, get_call_schema),
    route(endpoints.LIST_UPLOADS, list_uploads),
    route(endpoints.UPLOAD_SCHEMA, upload_schema),
    route(endpoints.REMOVE_UPLOADS, remove_uploads),
]
