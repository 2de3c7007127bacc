"""The client of a running Loom's HTTP API: address, token, typed answers, one-line errors."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Self, TypeVar
from urllib.parse import parse_qs, urlsplit

import aiohttp
import click
import msgspec

from loom.api.errors import ErrorAnswer
from loom.errors import LoomError, ReloadError
from loom.model import Address

_TIMEOUT = aiohttp.ClientTimeout(total=60, connect=5)
_UNAUTHORIZED = (401, 403)
_BAD_REQUEST = 400

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def api_options(function: F) -> F:
    """Add ``--ui`` and ``--token``, the options of every command that asks a running Loom."""
    ui = click.option(
        "--ui",
        default="localhost:9998",
        envvar="LOOM_UI",
        show_default=True,
        metavar="HOST:PORT|URL",
        help="The inspector of the running Loom: its address, or the page URL that Loom printed.",
    )
    token = click.option(
        "--token", envvar="LOOM_TOKEN", metavar="TOKEN", help="Its access token; not needed on loopback."
    )
    return ui(token(function))


class ApiClient:
    """A running Loom's API, within ``async with``. Every failure is a :class:`LoomError` of one line."""

    def __init__(self, ui: str, token: str | None = None, timeout: aiohttp.ClientTimeout = _TIMEOUT) -> None:
        self.base_url, url_token = _parse_ui(ui)
        token = token or url_token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._session = aiohttp.ClientSession(headers=headers, timeout=timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, path: str, kind: type[T], **parameters: Any) -> T:
        """Return a JSON answer, decoded as ``kind``. Parameters that are None are left out."""
        async with self.open(path, **parameters) as response:
            return self._decoded(path, await response.read(), kind)

    async def send(self, method: str, path: str, kind: type[T], body: Any = None, **parameters: Any) -> T:
        """Send ``body`` as JSON by another HTTP method; return the answer, decoded as ``kind``."""
        async with self.open(path, method=method, body=body, **parameters) as response:
            return self._decoded(path, await response.read(), kind)

    def _decoded(self, path: str, body: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise LoomError(
                f"{self.base_url}{path}: the answer does not fit this version of Loom ({error}); "
                "use the same version for both"
            ) from error

    async def get_bytes(self, path: str, **parameters: Any) -> bytes:
        """Return an answer that is a file."""
        async with self.open(path, **parameters) as response:
            return await response.read()

    @contextlib.asynccontextmanager
    async def open(
        self,
        path: str,
        headers: dict[str, str] | None = None,
        method: str = "GET",
        body: Any = None,
        **parameters: Any,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request, with ``body`` as JSON; yield the response, which is not an error, with its body unread."""
        query = {key: str(value) for key, value in parameters.items() if value is not None}
        try:
            response = await self._session.request(
                method, self.base_url + path, params=query, headers=headers, json=body
            )
        except aiohttp.ClientConnectorError as error:
            raise LoomError(
                f"no Loom answers at {self.base_url}: start one ('loom --target HOST:PORT'), "
                "or pass the inspector's address of a running one with --ui HOST:PORT"
            ) from error
        except aiohttp.ClientResponseError as error:
            # Its text has the bytes received: of a gRPC port, frames.
            raise LoomError(
                f"{self.base_url} does not answer as a Loom: is it a gRPC port? "
                "--ui takes the inspector's address, which Loom prints when it starts"
            ) from error
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise LoomError(f"{self.base_url} does not answer as a Loom: {_one_line(error)}") from error
        try:
            await _check_status(response, self.base_url)
            yield response
        finally:
            response.close()


async def _check_status(response: aiohttp.ClientResponse, base_url: str) -> None:
    if response.status < _BAD_REQUEST:
        return
    try:
        error = msgspec.json.decode(await response.read(), type=ErrorAnswer).error
        if error.problems:
            raise ReloadError(error.problems)
        message, hint = error.message, error.hint
    except (aiohttp.ClientError, ValueError):
        message = f"{base_url} answers {response.status} {response.reason}"
        hint = "--ui takes the inspector's address, which Loom prints when it starts"
    if response.status in _UNAUTHORIZED and not hint:
        hint = "pass the token that Loom printed when it started with --token or LOOM_TOKEN"
    raise LoomError(f"{message}: {hint}" if hint else message)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _parse_ui(ui: str) -> tuple[str, str | None]:
    """Split ``--ui`` into the base URL, and the token if it is a page URL."""
    if "://" not in ui:
        return f"http://{Address.parse(ui)}", None
    parts = urlsplit(ui)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise LoomError(f"--ui: expected HOST:PORT or the page URL that Loom printed, got {ui!r}")
    return f"{parts.scheme}://{parts.netloc}", parse_qs(parts.query).get("token", [None])[0]
