"""Calls as files: out (``GET /api/export``) and in (``POST /api/import``)."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from loom.errors import LoomError
from loom.formats import FORMATS

from .context import inspector_of
from .responses import ApiError, Json, flag
from .search import read_filter, reading_error

_MOST_IDS = 100_000
_MOST_IMPORTED = 1024 * 1024 * 1024


async def export(request: Request) -> Response:
    """The selection or the filter as a download."""
    inspector = inspector_of(request)
    kind = request.query_params.get("format", "ndjson")
    if kind not in FORMATS:
        raise ApiError(400, f"there is no export format {kind!r}", f"format is one of {', '.join(FORMATS)}")
    text = request.query_params.get("q", "")
    read_filter(text)
    secrets = None if flag(request, "reveal") else inspector.secrets.keys
    parts = inspector.archive.export(kind, q=text, ids=_ids(request), secrets=secrets)
    try:
        # The first part tells whether there is anything to read at all, while an error can still be answered.
        first = await anext(parts, b"")
    except LoomError as error:
        raise reading_error(error) from error
    chosen = FORMATS[kind]
    name = time.strftime("loom-%Y%m%d-%H%M%S") + chosen.suffix
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(_all(first, parts), media_type=chosen.media_type, headers=headers)


async def _all(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in rest:
        yield part


def _ids(request: Request) -> list[int] | None:
    text = request.query_params.get("ids")
    if text is None:
        return None
    words = [word for word in text.split(",") if word]
    if len(words) > _MOST_IDS or not all(word.isascii() and word.isdigit() for word in words):
        raise ApiError(400, "ids are whole numbers with commas between them, as in ids=1,2,3")
    return [int(word) for word in words]


async def take_in(request: Request) -> Response:
    """The body is a file of calls: they join the history, and the session, under new ids."""
    inspector = inspector_of(request)
    # A directory of its own: SQLite leaves files beside a session that it was told to read only.
    folder = await asyncio.to_thread(tempfile.mkdtemp, prefix="loom-import-")
    path = Path(folder) / "file"
    try:
        with path.open("wb") as file:
            size = 0
            async for part in request.stream():
                size += len(part)
                if size > _MOST_IMPORTED:
                    raise ApiError(413, "the file is larger than 1 GiB", "use 'loom sessions import' for it")
                await asyncio.to_thread(file.write, part)
        taken = await inspector.archive.import_file(path)
    except LoomError as error:
        message = str(error).replace(str(path), "the file")
        raise ApiError(422, message) from error
    except ClientDisconnect:
        return Response(status_code=499)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    problems = [problem.replace(str(path), "the file") for problem in taken.problems]
    return Json({"kind": taken.kind, "imported": len(taken.ids), "ids": taken.ids, "problems": problems})


routes = [
    Route("/api/export", export, methods=["GET"]),
    Route("/api/import", take_in, methods=["POST"]),
]
