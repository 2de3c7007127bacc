import contextlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from yarl import URL

from loom.inspector.security import Access, Guard
from loom.inspector.server import InspectorServer
from loom.model import Address
from loom.proxy.binding import open_sockets


async def reached(_: Request) -> PlainTextResponse:
    return PlainTextResponse("reached")


class Asking:
    """A client of a guarded server, as a browser or a script would be."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self.session = session
        self.port = port

    async def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None
    ) -> aiohttp.ClientResponse:
        url = URL(f"http://127.0.0.1:{self.port}{path}", encoded=True)
        given = {"Host": f"localhost:{self.port}"} | (headers or {})
        async with self.session.request(method, url, headers=given, allow_redirects=False) as answer:
            await answer.read()
            return answer

    async def get(self, path: str, headers: dict[str, str] | None = None) -> aiohttp.ClientResponse:
        return await self.ask("GET", path, headers)


@contextlib.asynccontextmanager
async def client(*, required: bool = False, hosts: frozenset[str] = frozenset()) -> AsyncIterator[Asking]:
    paths = ["/", "/live", "/metrics", "/api/calls", "/api/events", "/calls/{rest:path}"]
    app = Starlette(routes=[Route(path, reached, methods=["GET", "POST", "DELETE"]) for path in paths])
    server = InspectorServer(open_sockets(Address("127.0.0.1", 0)))
    access = Access(token="right", required=required, port=9998, hosts=hosts)
    await server.start(Guard(app, access))
    try:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            yield Asking(session, server.port)
    finally:
        await server.stop()


@pytest.mark.parametrize(
    "host", ["localhost:9998", "localhost", "127.0.0.1:1", "[::1]:9998", "10.0.0.7:9998", "LOCALHOST:8000"]
)
async def test_hosts_that_a_person_types(host: str) -> None:
    async with client() as asking:
        assert (await asking.get("/api/calls", {"Host": host})).status == 200


@pytest.mark.parametrize(
    "host", ["evil.test", "localhost.evil.test:9998", "", "127.0.0.1.nip.test", "a@b:1", "["]
)
async def test_dns_rebinding_is_refused_with_what_to_do(host: str) -> None:
    async with client() as asking:
        answer = await asking.get("/api/calls", {"Host": host})
        assert answer.status == 403
        assert "--ui-host" in (await answer.json())["error"]["hint"]


async def test_a_configured_host_is_let_in() -> None:
    async with client(hosts=frozenset({"loom.acme.test"})) as asking:
        assert (await asking.get("/api/calls", {"Host": "loom.acme.test"})).status == 200


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.test"},
        {"origin": "null"},
        {"origin": "http://localhost:3000"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
    ],
)
async def test_no_other_page_reaches_the_api(method: str, headers: dict[str, str]) -> None:
    async with client() as asking:
        assert (await asking.ask(method, "/api/calls", headers)).status == 403


async def test_the_page_itself_does() -> None:
    async with client() as asking:
        headers = {"origin": f"http://localhost:{asking.port}", "sec-fetch-site": "same-origin"}
        assert (await asking.ask("POST", "/api/calls", headers)).status == 200


@pytest.mark.parametrize(("dest", "status"), [("document", 200), ("iframe", 403), ("empty", 403)])
async def test_a_link_from_elsewhere_opens_the_page_and_nothing_more(dest: str, status: int) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": dest}
    async with client() as asking:
        assert (await asking.get("/calls/12", headers)).status == status


async def test_every_answer_carries_the_policy_and_none_allows_another_origin() -> None:
    async with client() as asking:
        for path, host in (("/", "localhost"), ("/api/calls", "evil.test")):
            headers = (await asking.get(path, {"Host": host})).headers
            assert "default-src 'self'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert "access-control-allow-origin" not in headers


class TestToken:
    async def test_is_asked_for_when_required(self) -> None:
        async with client(required=True) as asking:
            assert (await asking.get("/api/events")).status == 401
            assert (await asking.get("/")).status == 401

    @pytest.mark.parametrize("path", ["/live", "/metrics"])
    async def test_probes_need_none(self, path: str) -> None:
        async with client(required=True) as asking:
            assert (await asking.get(path)).status == 200

    async def test_bearer(self) -> None:
        async with client(required=True) as asking:
            assert (await asking.get("/api/calls", {"authorization": "Bearer right"})).status == 200
            assert (await asking.get("/api/calls", {"authorization": "bearer wrong"})).status == 401

    async def test_a_wrong_bearer_is_refused_even_where_none_is_needed(self) -> None:
        async with client() as asking:
            assert (await asking.get("/api/calls", {"authorization": "Bearer wrong"})).status == 401

    async def test_is_exchanged_for_a_strict_cookie_named_by_port(self) -> None:
        async with client(required=True) as asking:
            answer = await asking.get("/calls/12?token=right&tab=2")
            assert (answer.status, answer.headers["location"]) == (303, "/calls/12?tab=2")
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith("loom-9998=right;")
            assert "HttpOnly" in cookie
            assert "SameSite=strict" in cookie
            assert (await asking.get("/api/events")).status == 200

    async def test_a_wrong_one_in_the_address(self) -> None:
        async with client() as asking:
            answer = await asking.get("/?token=wrong")
            assert answer.status == 401
            assert "set-cookie" not in answer.headers

    @pytest.mark.parametrize("path", ["//evil.test/?token=right", "/%5Cevil.test/?token=right"])
    async def test_the_exchange_redirects_nowhere_else(self, path: str) -> None:
        async with client() as asking:
            answer = await asking.get(path)
            assert answer.status == 303
            assert answer.headers["location"].startswith("/evil.test")

    async def test_does_not_open_the_door_to_other_pages(self) -> None:
        async with client(required=True) as asking:
            headers = {"authorization": "Bearer right", "origin": "http://evil.test"}
            assert (await asking.get("/api/calls", headers)).status == 403
