"""The API takes any request: it never answers 500, and always what its OpenAPI document says.

Requests are made from the document: its paths, parameters and bodies, valid and not. They are the same in every run.
"""

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any, Self
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from loom.api.base import MAX_INTEGER
from loom.api.endpoints import (
    ENDPOINTS,
    EXPORT_CALLS,
    FOLLOW_FEED,
    FOLLOW_HOLDS,
    JSON,
    SEARCH_CALLS,
    Endpoint,
)
from loom.api.openapi import openapi
from tests.support.contract import check_answer
from tests.support.loom_instance import running_instance
from tests.support.mirror import running_mirror, thing
from tests.support.narrowing import required

DIGITS = "9" * 5000
DEEP = b"[" * 100_000 + b"]" * 100_000
OWN_PROCESS = {EXPORT_CALLS.name, SEARCH_CALLS.name}  # slow: each request starts one
ENDLESS = {FOLLOW_FEED.name, FOLLOW_HOLDS.name}
IMMEDIATE = [item for item in ENDPOINTS if item.name not in OWN_PROCESS | ENDLESS | {"clear_calls"}]

quick = settings(
    derandomize=True, deadline=None, database=None, max_examples=300, suppress_health_check=list(HealthCheck)
)
slow = settings(quick, max_examples=12)


class Served:
    """A Loom with two calls, on a loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="loom")
        self._exit = AsyncExitStack()
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(60)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        mirror = await self._exit.enter_async_context(running_mirror())
        fault = ("method:Chat :: drop; at=message 2",)
        api = await self._exit.enter_async_context(running_instance(mirror, fault=fault))
        await api.call("Say", thing(text="a", big=1), metadata=[("authorization", "s3cret")])
        await api.call("Chat", thing(text="a"), thing(text="b"))
        self.port = required(api.loom.ui_address).port

    async def _stop(self) -> None:
        await self._exit.aclose()
        left = asyncio.all_tasks() - {asyncio.current_task()}  # the watcher of sse-starlette
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, str, bytes]:
        """Status, media type and body of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers.get_content_type(), answer.read()
        finally:
            connection.close()

    def check(self, method: str, path: str, body: bytes | None = None) -> int:
        """Ask, and compare the answer with the document; its status."""
        status, media_type, content = self.ask(method, path, body)
        assert status != 500, content
        if status == 404 and b"Not Found" in content:  # no such path: an id of too many digits
            return status
        check_answer(method, path, status, media_type, content)
        return status


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with Served() as made:
        yield made


nasty_text = some.one_of(
    some.sampled_from(
        ["", "0", "-1", "1e9", "٣", DIGITS, "null", "\0", "\ud7ff", "%", "a,b", "1,,2", "/(/", "body:"]
    ),
    some.text(some.characters(exclude_categories=["Cs"]), max_size=12),
)
filters = some.one_of(
    some.sampled_from(
        ["", "is:error", "method:Say*", "-kind:bidi", "duration:>", 'a "b', "/[/", "status:9999999999"]
    ),
    some.text("abc:*/-\"',=<>. ", max_size=12),
)
ids = some.sampled_from([1, 2, 1, 2, 3, 0, MAX_INTEGER, DIGITS])
values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


SCALARS = {
    "number": some.floats(allow_nan=False, allow_infinity=False) | some.integers(0, 10**15),
    "boolean": some.booleans(),
    "null": some.none(),
    "string": nasty_text,
}


def from_schema(schema: dict[str, Any]) -> some.SearchStrategy[Any]:
    """Values that a schema of a parameter or of a body allows, nearly."""
    if "$ref" in schema:
        return from_schema(openapi()["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema or "enum" in schema:
        return some.one_of(
            *map(from_schema, schema.get("anyOf", ())), *map(some.just, schema.get("enum", ()))
        )
    if schema.get("type") == "array":
        return some.lists(from_schema(schema.get("items", {})), max_size=3)
    if "properties" in schema:
        fields = {name: from_schema(item) for name, item in schema["properties"].items()}
        always = {name: fields.pop(name) for name in schema.get("required", [])}
        return some.fixed_dictionaries(always, optional=fields)
    if schema.get("type") == "integer":
        return some.integers(schema.get("minimum", -5), schema.get("maximum", MAX_INTEGER))
    return SCALARS.get(str(schema.get("type")), values)


def in_query(name: str, schema: dict[str, Any]) -> some.SearchStrategy[str]:
    if name == "q":
        return filters
    valid = from_schema(schema).map(
        lambda value: str(value).lower() if isinstance(value, bool) else str(value)
    )
    return valid | nasty_text


@some.composite
def requests(draw: Any, endpoints: list[Endpoint]) -> tuple[str, str, bytes | None]:
    """Method, path with query, body."""
    endpoint = draw(some.sampled_from(endpoints))
    operation = openapi()["paths"][endpoint.path][endpoint.method.lower()]
    path = endpoint.path.format(id=draw(ids), other=draw(ids), index=draw(ids), number=draw(ids))
    query = {
        item["name"]: draw(in_query(item["name"], item["schema"]))
        for item in operation["parameters"]
        if item["in"] == "query" and draw(some.booleans())
    }
    text = urlencode(query, quote_via=quote, errors="surrogatepass")
    return endpoint.method, f"{path}?{text}" if text else path, draw(bodies(operation))


def bodies(operation: dict[str, Any]) -> some.SearchStrategy[bytes | None]:
    if "requestBody" not in operation:
        return some.none()
    damaged = some.sampled_from(
        [b"", b"{", b"null", b"\xff", DEEP, b"[" + DIGITS.encode() + b"]", b'{"a":"\\ud800"}']
    )
    content = operation["requestBody"]["content"]
    if JSON not in content:
        return damaged | some.binary(max_size=50)
    valid = from_schema(content[JSON]["schema"])
    return some.one_of(damaged, (valid | valid | values).map(lambda value: json.dumps(value).encode()))


@pytest.mark.timeout(300)  # some requests start processes of the lowest priority: a busy machine is slow
@quick
@given(request=requests(IMMEDIATE))
def test_any_request_is_answered_as_documented(
    served: Served, request: tuple[str, str, bytes | None]
) -> None:
    served.check(*request)


@slow
@given(request=requests([EXPORT_CALLS, SEARCH_CALLS]))
def test_searches_and_exports_too(served: Served, request: tuple[str, str, bytes | None]) -> None:
    served.check(*request)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"messages": [' + DIGITS.encode() + b"]}", None),
        (b'{"messages": [' + DEEP + b"]}", None),
        (b'{"messages": ' + b'[{"inner":' * 900 + b"1" + b"}]" * 900 + b"}", None),
        (b'{"metadata": [{"key": "x", "value": 1}]}', "metadata[0].value"),
        (b'{"deadline_ms": "1"}', "deadline_ms"),
        (b'{"timing": "slow"}', "timing"),
        (b"\xff", None),
    ],
    ids=["digits", "deep", "deeper than Python recurses", "metadata", "deadline", "timing", "not UTF-8"],
)
def test_a_bad_body_is_said_to_be_bad(served: Served, body: bytes, field: str | None) -> None:
    path = "/api/calls/1/replay"
    status, media_type, content = served.ask("POST", path, body)
    check_answer("POST", path, status, media_type, content)
    assert status in {400, 422}
    if field is not None:
        assert json.loads(content)["error"]["field"] == field


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://["}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.com@localhost"}, 403),
        ({"Host": "localhost/x"}, 403),
        ({"Host": "localhost:1:2"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Host": "localhost:"}, 200),
        ({"Authorization": "Bearer \xff"}, 401),
        ({"Cookie": "\xff=;;="}, 200),
        ({"Last-Event-ID": "x:" + DIGITS}, 200),
    ],
    ids=str,
)
def test_any_header_is_taken(served: Served, headers: dict[str, str], status: int) -> None:
    assert served.ask("GET", "/api/calls", headers=headers)[0] == status


@pytest.mark.parametrize("last", ["", "x", "x:" + DIGITS, ":1", "x:-1"])
def test_the_feed_begins_wherever_a_client_says_that_it_was(served: Served, last: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.request("GET", f"/api/events?last={quote(last)}")
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.readline().startswith(b"id: ")
    answer.close()
    connection.close()


def test_before_and_after_hold_together(served: Served) -> None:
    _, _, content = served.ask("GET", "/api/calls?after=0&before=2")
    assert [call["id"] for call in json.loads(content)["calls"]] == [1]
