"""Search in memory before the search process has started."""

import sys

import pytest

from loom.archive.archive import Archive
from loom.search import Matches, SearchUnavailableError
from tests.support.loom_instance import LoomInstance
from tests.support.mirror import thing


def archive_of(api: LoomInstance) -> Archive:
    loom = api.loom
    return Archive(loom.history, None, loom.descriptors, loom.stored_descriptors, loom.allocate_id)


async def matches_without_a_process(api: LoomInstance, q: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids that a search answers although its process cannot be started."""
    found: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/nonexistent/python")
        try:
            async for answer in archive_of(api).search(q):
                assert isinstance(answer, Matches)
                found += [call.id for call in answer.calls]
        except SearchUnavailableError:
            return found
    raise AssertionError("the process was started")


async def test_what_is_in_memory_is_found_without_the_process(
    api: LoomInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        await api.call(
            "Say", thing(text="alice" if number % 10 == 0 else "bob"), metadata=[("x-n", str(number))]
        )
    assert await matches_without_a_process(api, "body:alice", monkeypatch) == [21, 11, 1]
    assert await matches_without_a_process(api, "meta:x-n=4", monkeypatch) == [5]
    assert await matches_without_a_process(api, "-body:bob", monkeypatch) == [21, 11, 1]
    assert await matches_without_a_process(api, "body:/al.ce/", monkeypatch) == []


async def test_a_call_of_many_bytes_is_left_to_the_process_and_each_is_found_once(
    api: LoomInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.call("Say", thing(text="alice" + "x" * 200_000))
    await api.call("Say", thing(text="alice"))
    assert await matches_without_a_process(api, "body:alice", monkeypatch) == [2]
    found = [
        call.id
        async for answer in archive_of(api).search("body:alice")
        if isinstance(answer, Matches)
        for call in answer.calls
    ]
    assert found == [2, 1]
