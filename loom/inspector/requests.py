"""Requests as the structures of :mod:`loom.api`: parameters, bodies, the call that a path names."""

from functools import cache
from typing import Any, TypeVar, get_origin

import msgspec
from msgspec import UNSET, inspect
from starlette.requests import Request

from loom.api.base import Parameters, Question
from loom.interception.rule_interceptor import RuleInterceptor
from loom.model import Call

from .context import inspector_of
from .responses import ApiError

P = TypeVar("P", bound=Parameters)
B = TypeVar("B", bound=Question)

_SHOWN = 100  # characters of a value
_SEE = "see docs/reference/api.md"


def read_parameters(request: Request, kind: type[P]) -> P:
    """The query parameters; :class:`ApiError` 400 names the one that is not valid."""
    fields = _fields(kind)
    parameters: dict[str, str | list[str]] = {}
    for name, field in fields.items():
        values = request.query_params.getlist(name)
        if get_origin(field.type) is list:
            parameters[name] = values
        elif values and (values[-1] or _takes_text(field.type)):
            parameters[name] = values[-1]
    try:
        return msgspec.convert(parameters, kind, strict=False)
    except msgspec.ValidationError:
        for name, value in parameters.items():
            _check(name, value, fields[name].type)
        raise


@cache
def _fields(kind: type[Parameters]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


@cache
def _takes_text(kind: Any) -> bool:
    info = inspect.type_info(kind)
    kinds = info.types if isinstance(info, inspect.UnionType) else (info,)
    return any(isinstance(item, inspect.StrType) for item in kinds)


def _check(name: str, value: str | list[str], kind: Any) -> None:
    try:
        msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ApiError(400, f"{name}={value[:_SHOWN]!r} is not {_describe_kind(kind)}", field=name) from error


def _describe_kind(kind: Any) -> str:
    info = inspect.type_info(kind)
    for item in info.types if isinstance(info, inspect.UnionType) else (info,):
        if isinstance(item, inspect.IntType):
            return f"a whole number from {item.ge} to {item.le}"
        if isinstance(item, inspect.BoolType):
            return "1 or 0"
    return "valid"


async def read_body(request: Request, kind: type[B], limit: int, *, empty: bytes = b"") -> B:
    """The JSON body, ``empty`` where there is none.

    :class:`ApiError` 413 if it has more than ``limit`` bytes, 400 with the field if it is not a ``kind``.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise ApiError(413, f"the body is larger than {limit} bytes")
    try:
        return msgspec.json.decode(bytes(body) or empty, type=kind)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        field = path.rstrip("`").removeprefix(".") or UNSET
        raise ApiError(400, f"the body is not valid: {message}", _SEE, field=field) from error
    except msgspec.DecodeError as error:
        raise ApiError(400, f"the body is not valid JSON: {error}", _SEE) from error
    except UnicodeDecodeError as error:
        raise ApiError(400, f"the body is not UTF-8: {error.reason}", _SEE) from error
    except RecursionError as error:
        raise ApiError(400, "the body is nested too deeply", _SEE) from error


def find_interceptor(request: Request, what: str = "a rule or a fault") -> RuleInterceptor:
    """What applies rules and breakpoints; :class:`ApiError` 404 where ``what`` cannot act on traffic."""
    inspector = inspector_of(request)
    if inspector.interceptor is not None:
        return inspector.interceptor
    engine = inspector.launch().engine
    if engine == "wire":
        raise ApiError(
            404,
            f"{what} cannot act here: the wire engine forwards bytes unchanged",
            "the relay engine can: --engine relay",
        )
    raise ApiError(404, "nothing acts on traffic here")


async def find_call(request: Request, name: str = "id") -> Call:
    """The call that the path names, from memory or from the session.

    :class:`ApiError` 404 says whether it was evicted, was cleared, or never existed.
    """
    inspector = inspector_of(request)
    call_id: int = request.path_params[name]
    call = await inspector.archive.find(call_id)
    if call is not None:
        return call
    if 0 < call_id <= inspector.archive.cleared:
        on_disk = inspector.archive.on_disk
        hint = "the session still has it until it is pruned: 'loom sessions export'" if on_disk else ""
        raise ApiError(404, f"call {call_id} was cleared", hint, evicted=True)
    newest = inspector.history.last_id
    if 0 < call_id <= newest:
        raise ApiError(
            404,
            f"call {call_id} is no longer held",
            "raise --history-bytes to hold more in memory, or --session-bytes on disk",
            evicted=True,
        )
    hint = f"the newest is {newest}" if newest else "nothing is recorded yet"
    raise ApiError(404, f"call {call_id} does not exist", hint, evicted=False)
