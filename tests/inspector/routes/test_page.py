"""The page comes with its newest calls, as data that cannot become markup."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from loom.inspector.routes.page import FIRST_CALLS, page_routes
from tests.support.loom_instance import running_instance
from tests.support.mirror import running_mirror, thing

_DATA = re.compile(r'<script type="application/json" id="first-calls">(.*?)</script>', re.DOTALL)


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A folder with a page in it."""
    (tmp_path / "index.html").write_text('<html><body><div id="app"></div></body></html>')
    return tmp_path


async def answer(folder: Path, newest: object) -> Response:
    """What ``/`` answers where ``newest`` are the newest calls."""
    routes = page_routes(lambda _request, _limit: newest, folder)
    handler: Any = next(route.endpoint for route in routes if isinstance(route, Route) and route.path == "/")
    made: Response = await handler(Request({"type": "http"}))
    return made


def written(html: str) -> object:
    found = _DATA.findall(html)
    assert len(found) == 1
    return json.loads(found[0])


async def test_every_address_of_the_page_has_the_newest_calls_in_it() -> None:
    async with running_mirror() as mirror, running_instance(mirror) as api:
        for text in ("a", "b"):
            await api.call("Say", thing(text=text))
        address = f"/api/calls?limit={FIRST_CALLS}"
        # The schema arrives after the first call, and changes the summaries once more.
        while not all(call["kind_known"] for call in (await api.get(address))[1]["calls"]):
            pass
        api.loom.hub.tick()  # so that none falls between the answers, which have the feed's position
        _, listed = await api.get(address)
        assert len(listed["calls"]) == 2
        for path in ("/", "/calls/1/status"):
            async with api.http.get(path) as page:
                assert page.headers["Cache-Control"] == "no-store"
                assert written(await page.text()) == listed


async def test_what_a_call_holds_ends_no_element_and_opens_none(built: Path) -> None:
    hostile = {"calls": [{"method": "/x/</script><script>alert(1)</script><!-- \u2028"}]}
    html = bytes((await answer(built, hostile)).body).decode()
    assert written(html) == hostile
    assert html.count("<script") == html.count("</script>") == 1
    assert "<!--" not in html


async def test_a_page_that_is_not_built_says_what_to_do(tmp_path: Path) -> None:
    made = await answer(tmp_path, {})
    assert made.status_code == 503
    assert b"make demo" in bytes(made.body)
