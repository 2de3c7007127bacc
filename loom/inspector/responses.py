"""JSON answers, and errors in the one shape of docs/api.md."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_encoder = msgspec.json.Encoder()


def encoded(content: object) -> bytes:
    """JSON as every answer has it."""
    return _encoder.encode(content)


class Json(Response):
    """A JSON body, never cached."""

    media_type = "application/json"

    def __init__(
        self, content: object, status_code: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(content, status_code, {"Cache-Control": "no-store", **(headers or {})})

    def render(self, content: object) -> bytes:
        return encoded(content)


class ApiError(Exception):
    """An error for the person who asked: what is wrong, and what to do about it."""

    def __init__(self, status: int, message: str, hint: str = "", **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"error": {"message": message, "hint": hint, **more}}


def on_api_error(_: Request, error: Exception) -> Response:
    """Exception handler for :class:`ApiError` and Starlette's own HTTP errors."""
    if isinstance(error, ApiError):
        return Json(error.body, error.status)
    if isinstance(error, HTTPException):
        return Json({"error": {"message": error.detail, "hint": ""}}, error.status_code, error.headers)
    raise error


def integer(request: Request, name: str, default: int | None, low: int = 0, high: int = 2**53) -> int | None:
    """A query parameter that is a whole number within bounds; :class:`ApiError` 400 otherwise."""
    text = request.query_params.get(name)
    if text is None or not text:
        return default
    if not (text.isascii() and text.isdigit()) or not low <= int(text) <= high:
        raise ApiError(400, f"{name}={text!r} is not a whole number from {low} to {high}")
    return int(text)


def flag(request: Request, name: str) -> bool:
    """A query parameter that is on with 1 or true."""
    return request.query_params.get(name, "").lower() in {"1", "true", "yes"}
