"""JSON answers, and errors in the one shape of :mod:`loom.api.errors`."""

from collections.abc import Mapping

import msgspec
from msgspec import UNSET, UnsetType
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from loom.api.errors import ErrorAnswer, Problem

_encoder = msgspec.json.Encoder()


def encode_json(content: object) -> bytes:
    """JSON as every answer has it."""
    return _encoder.encode(content)


class JsonResponse(Response):
    """A JSON body, never cached."""

    media_type = "application/json"

    def __init__(
        self, content: msgspec.Struct, status_code: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(content, status_code, {"Cache-Control": "no-store", **(headers or {})})

    def render(self, content: object) -> bytes:
        return encode_json(content)


def error_response(
    status: int, message: str, hint: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """An error without a place."""
    return JsonResponse(ErrorAnswer(Problem(message, hint)), status, headers)


class ApiError(Exception):
    """An error for the client: what is wrong, and what to do about it; where, if that can be said."""

    def __init__(
        self,
        status: int,
        message: str,
        hint: str = "",
        *,
        column: int | UnsetType = UNSET,
        field: str | UnsetType = UNSET,
        message_index: int | UnsetType | None = UNSET,
        evicted: bool | UnsetType = UNSET,
        problems: list[str] | UnsetType = UNSET,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.problem = Problem(message, hint, column, field, message_index, evicted, problems)


def handle_error(_: Request, error: Exception) -> Response:
    """Exception handler: an answer for :class:`ApiError`, for Starlette's own errors, and for a bug."""
    if isinstance(error, ApiError):
        return JsonResponse(ErrorAnswer(error.problem), error.status)
    if isinstance(error, HTTPException):
        return error_response(error.status_code, error.detail, headers=error.headers)
    return error_response(
        500, "Loom failed to answer this request", "its log has the traceback: please report it"
    )
