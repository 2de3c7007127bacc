"""Calls as files: ``GET /api/export``, ``POST /api/import``."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from loom.api import endpoints
from loom.api.base import MAX_INTEGER
from loom.api.files import ExportParameters, ImportResult
from loom.errors import LoomError
from loom.formats import FORMATS
from loom.inspector.context import inspector_of
from loom.inspector.requests import read_parameters
from loom.inspector.responses import ApiError, JsonResponse
from loom.inspector.routing import route

from .search import parse_filter, run_while_connected, search_error

_MAX_IDS = 100_000
_MAX_IMPORT_BYTES = 1024 * 1024 * 1024


async def export_calls(request: Request) -> Response:
    """The selection or the filter as a download."""
    inspector = inspector_of(request)
    parameters = read_parameters(request, ExportParameters)
    if parameters.format not in FORMATS:
        raise ApiError(
            400,
            f"unknown export format {parameters.format!r}",
            f"format is one of {', '.join(FORMATS)}",
            field="format",
        )
    parse_filter(parameters.q)
    secrets = None if parameters.reveal else inspector.secrets.keys
    parts = inspector.archive.export(
        parameters.format, q=parameters.q, ids=_parse_ids(parameters.ids), secrets=secrets
    )
    try:
        # Until the first part has come, an error can still be answered.
        first = await anext(parts, b"")
    except LoomError as error:
        raise search_error(error) from error
    export_format = FORMATS[parameters.format]
    name = time.strftime("loom-%Y%m%d-%H%M%S") + export_format.suffix
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(_chain(first, parts), media_type=export_format.media_type, headers=headers)


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in rest:
        yield part


def _parse_ids(text: str | None) -> list[int] | None:
    if text is None:
        return None
    words = [word for word in text.split(",") if word]
    if len(words) > _MAX_IDS or not all(_is_id(word) for word in words):
        raise ApiError(400, "ids are whole numbers with commas between them, as in ids=1,2,3", field="ids")
    return [int(word) for word in words]


def _is_id(word: str) -> bool:
    digits = len(str(MAX_INTEGER))
    return word.isascii() and word.isdigit() and len(word) <= digits and int(word) <= MAX_INTEGER


async def import_calls(request: Request) -> Response:
    """Import the file in the body: its calls join the history, and the session, under new ids."""
    inspector = inspector_of(request)
    # In a directory of its own: SQLite leaves files beside a session even if it is opened read-only.
    folder = await asyncio.to_thread(tempfile.mkdtemp, prefix="loom-import-")
    path = Path(folder) / "file"
    try:
        with path.open("wb") as file:
            size = 0
            async for part in request.stream():
                size += len(part)
                if size > _MAX_IMPORT_BYTES:
                    raise ApiError(413, "the file is larger than 1 GiB", "use 'loom sessions import' for it")
                await asyncio.to_thread(file.write, part)
        imported = await run_while_connected(request, inspector.archive.import_file(path))
    except LoomError as error:
        message = str(error).replace(str(path), "the file")
        raise ApiError(422, message) from error
    except ClientDisconnect:
        return Response(status_code=499)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    problems = [problem.replace(str(path), "the file") for problem in imported.problems]
    return JsonResponse(ImportResult(imported.kind, len(imported.ids), imported.ids, problems))


routes = [
    route(endpoints.EXPORT_CALLS, export_calls),
    route(endpoints.IMPORT_CALLS, import_calls),
]
