"""Liveness, readiness and health, with and without the token."""

from typing import Any

import pytest

from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import running_mirror
from tests.support.narrowing import required

DETAILS = {"target", "breaker", "sinks"}


async def test_without_a_required_token_health_shows_the_target(api: LoomInstance) -> None:
    status, answer = await api.get("/health")
    assert (status, answer["status"]) == (200, "ok")
    assert answer["target"]["address"] == api.mirror.address
    assert answer.keys() == {"status"} | DETAILS


@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        ({}, False),
        ({"Authorization": "Bearer wrong"}, False),
        ({"Cookie": "loom-{port}=wrong"}, False),
        ({"Authorization": "Bearer right"}, True),
        ({"Cookie": "loom-{port}=right"}, True),
    ],
    ids=str,
)
async def test_where_a_token_is_required_only_it_shows_more_than_readiness(
    headers: dict[str, str], shown: bool
) -> None:
    async with running_mirror() as mirror, running_instance(mirror, token="right", require_token=True) as api:
        given = {
            name: value.format(port=required(api.loom.ui_address).port) for name, value in headers.items()
        }
        answer: dict[str, Any]
        async with api.http.get("/health", headers=given) as response:
            assert response.status == 200
            answer = await response.json()
        assert answer["status"] == "ok"
        assert answer.keys() == {"status"} | (DETAILS if shown else set())
        assert (mirror.address in str(answer)) == shown


@pytest.mark.parametrize(("path", "answer"), [("/live", {"status": "live"}), ("/ready", {"status": "ready"})])
async def test_probes_need_no_token(path: str, answer: dict[str, str]) -> None:
    async with running_mirror() as mirror, running_instance(mirror, require_token=True) as api:
        assert await api.get(path) == (200, answer)


async def test_a_loom_that_stops_is_not_ready(api: LoomInstance) -> None:
    api.loom._stopping.set()
    assert await api.get("/ready") == (503, {"status": "not ready", "reason": "draining"})
    assert (await api.get("/health"))[0] == 503


async def test_the_description_of_the_api_is_served(api: LoomInstance) -> None:
    status, answer = await api.get("/api/openapi.json")
    assert (status, answer["openapi"]) == (200, "3.1.0")
    assert "/api/calls/{id}" in answer["paths"]
