"""Search in another process: over a session, over memory, with progress, and given up."""

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import grpc
import pytest

from loom.model import StoredDescriptorSet
from loom.recording.history import History
from loom.search import (
    Answer,
    Chunk,
    Done,
    ExportJob,
    Matches,
    Progress,
    SearchClient,
    SearchError,
    SearchJob,
    SearchUnavailableError,
)
from loom.search.call_source import SessionCallSource
from loom.search.jobs import run_job
from loom.sessions import SessionWriter, session_path
from tests.support.child_processes import children, kill_children
from tests.support.databases import change
from tests.support.mirror import make, thing
from tests.support.session_files import stored_descriptors, write_session
from tests.support.traffic import recorded, unary

QUERIES = {
    'body:"alice"': [1],
    "body:ALICE": [1],
    "body:text=Alice": [1],
    "body:parts.name=nut": [2],
    "body:named.k.count=7": [2],
    "body:mood=MOOD_WILD": [2],
    "body:big=9007199254740993": [3],
    "body:when=2026-01-02T*": [3],
    "body:any.name=inside": [3],
    "body:free.deep.down=yes": [3],
    "body:wrapped=5": [3],
    "body:data=/hidden/": [4],
    "meta:x-tenant=42": [2],
    "meta:trace-bin=AP8=": [3],
    "meta:mirrored": [1, 2, 3, 4],
    "-body:alice method:Say": [2, 3],
    "status:NOT_FOUND": [2],
    "kind:bidi": [4],
}
FROM_MEMORY = (
    "body:text=Alice",
    "body:any.name=inside",
    "body:data=/hidden/",
    "meta:x-tenant=42",
    "status:NOT_FOUND",
)
"""Those that need all that goes with calls from memory; the others read the same calls in the same way."""


async def traffic(bench: Any) -> None:
    """Four calls, each with something to find."""
    await bench.call("Say", [thing(text="Alice")])
    parts = [make("Part", name="bolt"), make("Part", name="nut", count=3)]
    body = thing(parts=parts, named={"k": make("Part", count=7)}, mood=2)
    await bench.call("Say", [body], metadata=(("x-tenant", "42"), ("mirror-code", "5")))
    message = make("Thing", big=9007199254740993)
    message.when.FromJsonString("2026-01-02T03:04:05Z")
    message.any.Pack(make("Part", name="inside"))
    message.free.update({"deep": {"down": "yes"}})
    message.wrapped.value = 5
    await bench.call("Say", [message.SerializeToString()], metadata=(("trace-bin", b"\x00\xff"),))
    packed = thing(data=b"a hidden word")
    await bench.call("Chat", [packed, packed], compression=grpc.Compression.Gzip)


async def nothing() -> list[StoredDescriptorSet]:
    return []


async def described() -> list[StoredDescriptorSet]:
    return [stored_descriptors()]


async def search(client: SearchClient, q: str, **limits: int) -> tuple[list[int], Done]:
    ids: list[int] = []
    async for answer in client.run(SearchJob(origin=await client.origin(), q=q, **limits)):
        if isinstance(answer, Matches):
            ids += [call.id for call in answer.calls]
    assert isinstance(answer, Done)
    return sorted(ids), answer


async def test_finds_in_a_session(bench: Any, tmp_path: Path) -> None:
    await traffic(bench)
    store = write_session(session_path("s", tmp_path), bench.history)
    client = SearchClient(History(), store, nothing)
    origin = await client.origin()
    for query, ids in QUERIES.items():  # the job as its process runs it, without starting one for each
        answers: list[Answer] = []
        source = SessionCallSource(origin)
        with source._reader:
            run_job(SearchJob(origin=origin, q=query), source, answers.append)
        matches = [call.id for answer in answers if isinstance(answer, Matches) for call in answer.calls]
        assert sorted(matches) == ids, query
        assert answers[-1] == Done(4, len(ids), [])
    found, done = await search(client, "meta:mirrored")
    assert (found, done) == ([1, 2, 3, 4], Done(4, 4, []))
    store.close()


async def test_finds_in_memory_where_there_is_no_session(bench: Any) -> None:
    await traffic(bench)
    client = SearchClient(bench.history, None, described)
    for query in FROM_MEMORY:
        found, done = await search(client, query)
        assert found == QUERIES[query], query
        assert done.searched == 4


async def test_without_a_schema_the_text_of_a_message_is_looked_at(bench: Any) -> None:
    await traffic(bench)
    client = SearchClient(bench.history, None, nothing)
    assert (await search(client, "body:alice"))[0] == [1]
    assert (await search(client, "body:hidden"))[0] == [4]  # decompressed all the same
    assert (await search(client, "body:1=alice"))[0] == [1]
    assert (await search(client, "body:text=alice"))[0] == []


async def test_within_limits_and_past_what_was_cleared(bench: Any, tmp_path: Path) -> None:
    await traffic(bench)
    store = write_session(session_path("s", tmp_path), bench.history)
    client = SearchClient(History(), store, nothing)
    assert (await search(client, "", after=1, before=4))[0] == [2, 3]
    store.clear(2)
    assert (await search(client, ""))[0] == [3, 4]
    store.close()


async def test_tells_of_progress_on_the_way(tmp_path: Path) -> None:
    calls = [call for call_id in range(1, 8001) for call in recorded(*unary(call_id))]
    store = write_session(session_path("s", tmp_path), calls)
    client = SearchClient(History(), store, nothing)
    answers = [
        answer
        async for answer in client.run(SearchJob(origin=await client.origin(), q="body:Alice -body:o-17"))
    ]
    progress = [answer for answer in answers if isinstance(answer, Progress)]
    assert len(progress) > 1
    assert [answer.searched for answer in progress] == sorted(answer.searched for answer in progress)
    assert (progress[-1].searched, progress[-1].of) == (8000, 8000)
    assert answers[-1] == Done(8000, 0)
    store.close()


async def test_a_search_that_nobody_waits_for_ends(tmp_path: Path) -> None:
    calls = [call for call_id in range(1, 8001) for call in recorded(*unary(call_id))]
    store = write_session(session_path("s", tmp_path), calls)
    client = SearchClient(History(), store, nothing, max_processes=1)
    running = client.run(SearchJob(origin=await client.origin(), q="body:/(a+)+x/"))
    assert isinstance(await anext(running), Answer)
    before = children()
    assert _niceness(before) == 19
    await running.aclose()  # type: ignore[attr-defined]
    assert len(before) == 1
    assert children() == set()
    assert (await search(client, "id:7"))[0] == [7]  # and the next one has its turn
    store.close()


async def test_a_filter_that_does_not_read_is_told() -> None:
    client = SearchClient(History(), None, nothing)
    with pytest.raises(SearchError, match="'FOO' is not a status"):
        await search(client, "status:FOO")


async def test_a_session_that_went_away_is_told(tmp_path: Path) -> None:
    store = SessionWriter(session_path("s", tmp_path))
    store.open()
    client = SearchClient(History(), store, nothing)
    origin = await client.origin()
    store.path.unlink()
    with pytest.raises(SearchError, match="does not exist"):
        async for _ in client.run(SearchJob(origin=origin, q="")):
            pass
    store.close()


async def test_calls_in_flight_are_found_as_such(bench: Any, tmp_path: Path) -> None:
    call = bench.channel.stream_stream("/mirror.v1.Mirror/Chat")()
    await call.write(thing(text="open"))
    await call.read()
    bench.flush()
    store = write_session(session_path("s", tmp_path), list(bench.history))
    client = SearchClient(History(), store, nothing)
    assert (await search(client, "body:open is:live"))[0] == [1]
    call.cancel()
    store.close()


async def test_a_cancelled_search_ends_its_process(bench: Any) -> None:
    asked = asyncio.Event()

    async def never() -> list[StoredDescriptorSet]:
        asked.set()
        await asyncio.Event().wait()
        return []

    client = SearchClient(bench.history, None, never)
    running = client.run(SearchJob(origin=await client.origin(), q=""))
    first = asyncio.ensure_future(anext(running))
    await asked.wait()
    assert len(children()) == 1
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert children() == set()


class Killer:
    """Kills the search process N times, whenever it is asked for what goes with calls from memory."""

    def __init__(self, times: int) -> None:
        self.times = times

    async def __call__(self) -> list[StoredDescriptorSet]:
        if self.times:
            self.times -= 1
            kill_children()
        return [stored_descriptors()]


async def test_a_search_whose_process_is_killed_is_done_by_another(
    bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await traffic(bench)
    client = SearchClient(bench.history, None, Killer(1))
    found, done = await search(client, "body:alice")
    assert (found, done) == ([1], Done(4, 1))
    assert "the search process died: signal 9 (SIGKILL)" in caplog.text
    assert children() == set()


async def test_a_search_whose_process_is_killed_twice_says_so(bench: Any) -> None:
    await traffic(bench)
    client = SearchClient(bench.history, None, Killer(2), max_processes=1)
    sentence = (
        r"^the search process died, and so did a second one "
        r"\(signal 9 \(SIGKILL\); signal 9 \(SIGKILL\)\): try again$"
    )
    with pytest.raises(SearchUnavailableError, match=sentence):
        await search(client, "body:alice")
    assert children() == set()
    assert (await search(client, "body:alice"))[0] == [1]


async def test_what_was_found_before_the_process_was_killed_is_not_found_twice(tmp_path: Path) -> None:
    calls = [call for call_id in range(1, 8001) for call in recorded(*unary(call_id))]
    store = write_session(session_path("s", tmp_path), calls)
    client = SearchClient(History(), store, nothing)
    ids: list[int] = []
    searched: list[int] = []
    killed = False
    async for answer in client.run(SearchJob(origin=await client.origin(), q="")):
        if isinstance(answer, Matches):
            ids += [call.id for call in answer.calls]
        if isinstance(answer, Progress):
            searched.append(answer.searched)
        if ids and not killed:
            kill_children()
            killed = True
    assert len(ids) == 8000
    assert len(set(ids)) == 8000
    assert searched == sorted(searched)
    assert answer == Done(8000, 8000)
    store.close()


async def test_a_file_goes_on_where_the_process_was_killed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calls = [
        call for call_id in range(1, 101) for call in recorded(*unary(call_id, b"\x0a" + os.urandom(40_000)))
    ]
    store = write_session(session_path("s", tmp_path), calls)
    client = SearchClient(History(), store, nothing)

    async def exported(after: int | None) -> bytes:
        """An export whose process is killed after N bytes."""
        data = b""
        async for answer in client.run(ExportJob(origin=await client.origin(), format="ndjson")):
            if isinstance(answer, Chunk):
                data += answer.data
            if after is not None and len(data) > after:
                kill_children()
                after = None
        return data

    whole = await exported(None)
    assert len(whole) > 4_000_000  # more than is buffered when the process is killed
    assert await exported(0) == whole
    assert await exported(100_000) == whole
    assert caplog.text.count("died: signal 9 (SIGKILL)") == 2
    store.close()


async def test_a_file_that_comes_out_different_is_not_continued(tmp_path: Path) -> None:
    calls = [
        call for call_id in range(1, 101) for call in recorded(*unary(call_id, b"\x0a" + os.urandom(40_000)))
    ]
    store = write_session(session_path("s", tmp_path), calls)
    client = SearchClient(History(), store, nothing)
    running = client.run(ExportJob(origin=await client.origin(), format="ndjson"))
    size = 0
    async for answer in running:
        assert isinstance(answer, Chunk)
        size += len(answer.data)
        if size > 500_000:
            break
    change(store.path, "DELETE FROM batches WHERE seq = (SELECT min(seq) FROM batches)")
    kill_children()
    with pytest.raises(SearchUnavailableError, match="a second one could not continue it: export again"):
        async for _ in running:
            pass
    store.close()


async def test_the_process_has_ended_when_the_last_answer_comes(bench: Any) -> None:
    client = SearchClient(bench.history, None, nothing)
    async for answer in client.run(SearchJob(origin=await client.origin(), q="")):
        assert (children() == set()) == isinstance(answer, Done)
        if isinstance(answer, Done):
            break


async def test_searches_and_kills_at_random(bench: Any) -> None:
    chance = random.Random(15)
    await traffic(bench)
    for times in chance.sample([0, 0, 1, 1, 2, 2], 6):
        query, ids = chance.choice(list(QUERIES.items()))
        killer = Killer(times)
        client = SearchClient(bench.history, None, killer)
        if times == 2:
            with pytest.raises(SearchUnavailableError):
                await search(client, query)
        else:
            assert (await search(client, query))[0] == ids
    assert children() == set()


async def test_calls_that_cannot_be_sent_are_an_error(bench: Any) -> None:
    async def broken() -> list[StoredDescriptorSet]:
        raise ValueError("no descriptors")

    with pytest.raises(SearchError, match="the recorded calls could not be read: no descriptors"):
        await search(SearchClient(bench.history, None, broken), "body:alice")
    assert children() == set()


def _niceness(processes: set[int]) -> int:
    return os.getpriority(os.PRIO_PROCESS, min(processes))
