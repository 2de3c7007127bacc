"""Access control (docs/explanation/security.md): Host, Origin and token checks on every request, before anything else.

Recorded traffic is worth stealing, and any web page that the user visits can send requests to
the port. So:

* the Host header must be a loopback name, an IP literal or a host that was configured,
  because DNS rebinding needs a name of the attacker's;
* a browser's request must come from the page itself (``Sec-Fetch-Site``, ``Origin``);
* no CORS header is ever sent, and a strict Content-Security-Policy always is;
* a token is required when bound wider than loopback, and honoured everywhere.
"""

import hmac
import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loom.api.endpoints import ENDPOINTS

from .responses import error_response

CSP = (
    "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_SAFE = frozenset({"GET", "HEAD"})
_OPEN = frozenset(endpoint.path for endpoint in ENDPOINTS if endpoint.open)
_HOST_HEADER = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\s\[\]:/?#@\\]+)(:[0-9]*)?")
_LOOPBACK_NAMES = frozenset({"localhost", "ip6-localhost"})


@dataclass(frozen=True, slots=True)
class Access:
    """``token`` of this launch; ``required`` when bound wider than loopback or asked for.

    ``hosts`` are the names, beside loopback ones and IP literals, that the Host header may hold;
    ``port`` names the cookie, so that two Looms on one host do not overwrite each other's.
    """

    token: str
    required: bool
    port: int
    hosts: frozenset[str] = frozenset()

    @property
    def cookie(self) -> str:
        return f"loom-{self.port}"

    def allows_host(self, header: str) -> bool:
        """Whether a Host header is one that a person may have typed (any port: forwards change it)."""
        host = _host(header)
        if host is None:
            return False
        if host in _LOOPBACK_NAMES or host in self.hosts:
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True

    def authenticates(self, headers: Headers) -> bool:
        """Whether a request brings the token, as a bearer token or in the cookie."""
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.knows(bearer.strip())
        return self.knows(cookie_parser(headers.get("cookie", "")).get(self.cookie, ""))

    def knows(self, token: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(token.encode(), self.token.encode())


def _host(header: str) -> str | None:
    """The host of a Host header, which is a host and perhaps a port, nothing else (RFC 9110, section 7.2)."""
    if not _HOST_HEADER.fullmatch(header):
        return None
    try:
        return (urlsplit(f"//{header}").hostname or "").lower() or None
    except ValueError:
        return None


def _origin_host(origin: str) -> str | None:
    """Host and port of an Origin header; None if it has none, or is malformed."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


class Guard:
    """ASGI middleware that lets a request through, or answers why not."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app = app
        self.access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self.app)(scope, receive, secured)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        path: str = scope["path"]
        method: str = scope["method"]
        host = headers.get("host", "")
        if not self.access.allows_host(host):
            return error_response(
                403,
                f"the Host header {host!r} is not one that Loom answers to",
                "open the page as localhost or by IP address, or name the host with --ui-host",
            )
        if path in _OPEN and method in _SAFE:
            return None
        foreign = self._foreign(headers, host, method, path)
        if foreign is not None:
            return foreign
        return self._authenticate(scope, headers, method)

    def _foreign(self, headers: Headers, host: str, method: str, path: str) -> Response | None:
        site = headers.get("sec-fetch-site")
        origin = headers.get("origin")
        if origin is not None and _origin_host(origin) != host.lower():
            return error_response(
                403, "requests from other origins are refused", "use the page that Loom serves"
            )
        if site in {None, "same-origin", "none"}:
            return None
        navigation = (
            method in _SAFE and headers.get("sec-fetch-mode") == "navigate" and not path.startswith("/api/")
        )
        if navigation and headers.get("sec-fetch-dest") == "document":
            return None  # a link to the page from elsewhere
        return error_response(403, "requests from other sites are refused", "use the page that Loom serves")

    def _authenticate(self, scope: Scope, headers: Headers, method: str) -> Response | None:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return None if self.access.knows(bearer.strip()) else _wrong_token()
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        tokens = [value for name, value in query if name == "token"]
        if tokens and method in _SAFE and not scope["path"].startswith("/api/"):
            if not self.access.knows(tokens[0]):
                return _wrong_token()
            return self._exchange(scope["path"], query)
        if not self.access.required:
            return None
        if self.access.authenticates(headers):
            return None
        return error_response(
            401,
            "this Loom asks for its token",
            "open the address that Loom printed at start, or send 'Authorization: Bearer TOKEN'",
        )

    def _exchange(self, path: str, query: list[tuple[str, str]]) -> Response:
        """Trade the token in the address for a cookie, so that it stays out of history and logs."""
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        # A path of two slashes would be another host: collapse what leads it.
        where = "/" + path.lstrip("/\\") + (f"?{rest}" if rest else "")
        response = RedirectResponse(where, 303)
        response.set_cookie(self.access.cookie, self.access.token, httponly=True, samesite="strict", path="/")
        response.headers["Cache-Control"] = "no-store"
        return response


def _wrong_token() -> Response:
    return error_response(
        401, "the token is wrong", "each launch has its own: use the address that Loom printed at start"
    )
