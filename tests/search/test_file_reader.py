"""Imported files are read in a process of their own, under a memory limit, which ends with its client."""

import contextlib
from pathlib import Path

import pytest

from loom.model import Call
from loom.model.projection import project
from loom.recording.history import History
from loom.search import SearchClient, SearchError
from loom.search.protocol import ImportedCalls, ImportEnd, ImportStart
from loom.sessions.event_codec import unpack
from tests.support.bench import Bench
from tests.support.child_processes import children, kill_children
from tests.support.exports import assert_same, bomb, export
from tests.support.mirror import thing

MIB = 1024 * 1024


async def nothing() -> list[object]:
    return []


def client(memory_bytes: int = 1024 * MIB) -> SearchClient:
    return SearchClient(History(), None, nothing, import_memory_bytes=memory_bytes)  # type: ignore[arg-type]


async def read(path: Path, memory_bytes: int = 1024 * MIB) -> tuple[ImportStart, list[Call], ImportEnd]:
    calls: list[Call] = []
    answers = [answer async for answer in client(memory_bytes).read_file(path)]
    for answer in answers:
        if isinstance(answer, ImportedCalls):
            calls += project(unpack(answer.events))
    assert isinstance(answers[0], ImportStart)
    assert isinstance(answers[-1], ImportEnd)
    return answers[0], calls, answers[-1]


@pytest.mark.parametrize("kind", ["ndjson", "bundle"])
async def test_a_file_arrives_whole(bench: Bench, tmp_path: Path, kind: str) -> None:
    recorded = [await bench.call("Chat", [thing(text=str(number))] * 3) for number in range(30)]
    path = tmp_path / "file"
    path.write_bytes(export(kind, recorded, reveal=True))
    start, calls, end = await read(path)
    assert (start.kind, start.masked, end.problems, len(end.descriptors)) == (kind, [], [], 1)
    assert_same(calls, recorded)
    assert children() == set()


async def test_a_file_that_needs_too_much_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bomb(200 * MIB))
    with pytest.raises(SearchError, match=r"needs more than \d+ bytes of memory to be read"):
        await read(path, 192 * MIB)
    assert children() == set()


async def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"something else\n" * 30)
    with pytest.raises(SearchError, match="Loom reads its NDJSON, bundles, sessions and grpc-dump's JSON"):
        await read(path)


async def test_the_process_ends_with_its_client(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(export("ndjson", [await bench.call("Say", [thing(text="x" * 1000)])] * 1000))
    async with contextlib.aclosing(client().read_file(path)) as answers:
        assert isinstance(await anext(answers), ImportStart)
        assert len(children()) == 1
    assert children() == set()


async def test_a_process_that_dies_is_an_error_and_not_started_again(bench: Bench, tmp_path: Path) -> None:
    """Its calls may have been imported already: a second attempt would import them twice."""
    path = tmp_path / "file"
    path.write_bytes(export("ndjson", [await bench.call("Say", [thing(text="x" * 100_000)])] * 200))
    answers = client().read_file(path)
    assert isinstance(await anext(answers), ImportStart)
    kill_children()
    with pytest.raises(SearchError, match=r"file cannot be read: the process that reads it died: signal 9"):
        async for _ in answers:
            pass
    assert children() == set()
