"""How a command finds and asks a Loom that runs: its page's address, the token, errors as one line."""

from collections.abc import Callable
from typing import Any, Self, TypeVar
from urllib.parse import parse_qs, urlsplit

import aiohttp
import click
import msgspec

from loom.api.errors import ErrorAnswer
from loom.errors import LoomError
from loom.model import Address

_PATIENCE = aiohttp.ClientTimeout(total=60, connect=5)
_UNAUTHORIZED = (401, 403)
_BAD = 400

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def attach_options(function: F) -> F:
    """``--ui`` and ``--token``, the same for every command that attaches to a running Loom."""
    ui = click.option(
        "--ui",
        default="localhost:9998",
        envvar="LOOM_UI",
        show_default=True,
        metavar="HOST:PORT|URL",
        help="The page of the running Loom; the address that it printed may be pasted whole.",
    )
    token = click.option(
        "--token", envvar="LOOM_TOKEN", metavar="TOKEN", help="Its token; not needed on loopback."
    )
    return ui(token(function))


class Attached:
    """A running Loom's API; use it in ``async with``. Every failure is a :class:`LoomError` of one line."""

    def __init__(self, ui: str, token: str | None = None, timeout: aiohttp.ClientTimeout = _PATIENCE) -> None:
        self.base, found = _base(ui)
        token = token or found
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._session = aiohttp.ClientSession(headers=headers, timeout=timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, path: str, kind: type[T], **parameters: Any) -> T:
        """A JSON answer as the structure ``kind``; parameters that are None are left out."""
        async with self.open(path, **parameters) as answer:
            body = await answer.read()
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise LoomError(
                f"{self.base}{path} answers with JSON that this version of Loom does not know: {error}"
            ) from error

    async def get_bytes(self, path: str, **parameters: Any) -> bytes:
        """An answer that is a file."""
        async with self.open(path, **parameters) as answer:
            return await answer.read()

    def open(self, path: str, headers: dict[str, str] | None = None, **parameters: Any) -> "_Opened":
        """The answer itself, checked; use it in ``async with``."""
        given = {key: str(value) for key, value in parameters.items() if value is not None}
        return _Opened(self, self._session.get(self.base + path, params=given, headers=headers))


class _Opened:
    def __init__(self, attached: Attached, request: Any) -> None:
        self._attached = attached
        self._request = request

    async def __aenter__(self) -> aiohttp.ClientResponse:
        try:
            answer: aiohttp.ClientResponse = await self._request.__aenter__()
        except aiohttp.ClientConnectorError as error:
            raise LoomError(
                f"no Loom answers at {self._attached.base}: start one ('loom --target HOST:PORT'), "
                "or name the page of one that runs with --ui HOST:PORT"
            ) from error
        except aiohttp.ClientResponseError as error:
            # The text holds what was read: of a gRPC port, frames.
            raise LoomError(
                f"{self._attached.base} does not answer as a Loom: is it a gRPC port? "
                "--ui wants the page's address, which Loom prints when it starts"
            ) from error
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise LoomError(f"{self._attached.base} does not answer as a Loom: {_text(error)}") from error
        try:
            await _check(answer, self._attached.base)
        except BaseException:
            answer.close()
            raise
        return answer

    async def __aexit__(self, *details: object) -> None:
        await self._request.__aexit__(*details)


async def _check(answer: aiohttp.ClientResponse, base: str) -> None:
    if answer.status < _BAD:
        return
    try:
        error = msgspec.json.decode(await answer.read(), type=ErrorAnswer).error
        message, hint = error.message, error.hint
    except (aiohttp.ClientError, ValueError):
        message, hint = f"{base} answers {answer.status} {answer.reason}: is this a Loom's page?", ""
    if answer.status in _UNAUTHORIZED and not hint:
        hint = "give the token that it printed when it started, with --token or LOOM_TOKEN"
    raise LoomError(f"{message}: {hint}" if hint else message)


def _text(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _base(ui: str) -> tuple[str, str | None]:
    """The page's address without a path, and the token that a pasted one holds."""
    if "://" not in ui:
        return f"http://{Address.parse(ui)}", None
    parts = urlsplit(ui)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise LoomError(f"--ui {ui!r} is not an address: write HOST:PORT, or paste what Loom printed")
    return f"{parts.scheme}://{parts.netloc}", parse_qs(parts.query).get("token", [None])[0]
