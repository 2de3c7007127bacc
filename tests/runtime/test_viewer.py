"""``loom open``: a file's calls in the same page, offline and read-only."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from loom.errors import LoomError
from loom.model import Address, Call, StoredDescriptorSet
from loom.runtime.newest_calls import NewestCalls
from loom.runtime.settings import Settings
from loom.runtime.viewer import Viewer
from loom.search import file_client
from loom.sessions import SessionWriter
from tests.support.bench import running_bench
from tests.support.exports import bomb, export
from tests.support.mirror import running_mirror, thing
from tests.support.session_files import write_session
from tests.support.traffic import dense, recorded, unary

SETTINGS = Settings(ui=Address("127.0.0.1", 0))


@pytest.fixture
async def calls() -> list[Call]:
    async with running_mirror() as mirror, running_bench(mirror) as bench:
        await bench.call("Say", [thing(text="Alice")], metadata=(("authorization", "s3cret"),))
        await bench.call("Chat", [thing(flag=True), thing(text="Bob")], metadata=(("mirror-code", "5"),))
        return list(bench.history)


class Page:
    def __init__(self, viewer: Viewer, http: aiohttp.ClientSession) -> None:
        self.viewer, self.http = viewer, http

    async def ask(self, path: str, method: str = "GET") -> tuple[int, Any]:
        url = self.viewer.page_url.rstrip("/") + path
        async with self.http.request(method, url) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str) -> Any:
        status, body = await self.ask(path)
        assert status == 200, body
        return body


async def opened(path: Path) -> AsyncIterator[Page]:
    viewer = Viewer(path, SETTINGS)
    await viewer.start()
    try:
        async with aiohttp.ClientSession() as http:
            yield Page(viewer, http)
    finally:
        await viewer.stop()


@pytest.mark.parametrize("kind", ["bundle", "ndjson", "session"])
async def test_shows_calls_and_decodes_them_offline(calls: list[Call], tmp_path: Path, kind: str) -> None:
    path = tmp_path / "evidence"
    if kind == "session":
        write_session(path, calls).close()
    else:
        path.write_bytes(export(kind, calls))
    async for page in opened(path):
        assert page.viewer.problems == []
        listed = (await page.get("/api/calls"))["calls"]
        assert [(call["id"], call["kind"]) for call in listed] == [(1, "unary"), (2, "bidi")]
        assert (await page.get("/api/calls/1/messages/0"))["json"] == {"text": "Alice"}
        metadata = (await page.get("/api/calls/1"))["metadata"]["request"]
        assert ("authorization", "••••••") in [(item["key"], item["value"]) for item in metadata]
        assert [call["id"] for call in (await page.get("/api/calls?q=body:bob"))["calls"]] == [2]
        assert (await page.get("/api/calls/1/grpcurl"))["command"].startswith("grpcurl")
        assert (await page.get("/api/calls/1/diff/2"))["equal"] is False
        stats = await page.get("/api/stats")
        assert (stats["held"], stats["in_flight"]) == (2, 0)


async def test_nothing_can_be_changed(calls: list[Call], tmp_path: Path) -> None:
    path = tmp_path / "evidence.loom.zip"
    path.write_bytes(export("bundle", calls))
    before = path.read_bytes()
    async for page in opened(path):
        for method, where in (
            ("DELETE", "/api/calls"),
            ("POST", "/api/calls/1/replay"),
            ("POST", "/api/import"),
        ):
            status, body = await page.ask(where, method)
            assert status == 403
            assert body["error"]["message"].startswith("evidence.loom.zip is open read-only")
        assert len((await page.get("/api/calls"))["calls"]) == 2
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.glob("*")] == [path.name]  # noqa: ASYNC240 (a test)


async def test_a_damaged_file_is_shown_as_far_as_it_goes(calls: list[Call], tmp_path: Path) -> None:
    path = tmp_path / "calls.ndjson"
    lines = export("ndjson", calls).splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:-1], lines[-1][:100]]))
    async for page in opened(path):
        assert [call["id"] for call in (await page.get("/api/calls"))["calls"]] == [1]
        [problem] = page.viewer.problems
        assert f"{path}: line {len(lines)}: " in problem


async def test_duplicate_ids_become_unique(calls: list[Call], tmp_path: Path) -> None:
    path = tmp_path / "calls.ndjson"
    path.write_bytes(export("ndjson", calls) + export("ndjson", calls[:1]))
    async for page in opened(path):
        assert [call["id"] for call in (await page.get("/api/calls"))["calls"]] == [1, 2, 3]


async def test_an_unreadable_file_is_a_one_line_error(tmp_path: Path) -> None:
    with pytest.raises(LoomError, match="cannot be read: No such file"):
        await Viewer(tmp_path / "none", SETTINGS).start()


async def test_the_command(calls: list[Call], tmp_path: Path) -> None:
    path = tmp_path / "evidence.loom.zip"
    path.write_bytes(export("bundle", calls))
    words = (sys.executable, "-m", "loom", "open", str(path), "--ui", "127.0.0.1:0")
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == f"{path}: 2 calls, read-only\n".encode()
    url = (await process.stdout.readline()).decode().split()[1]
    async with aiohttp.ClientSession() as http, http.get(f"{url}api/calls") as answer:
        assert len((await answer.json())["calls"]) == 2
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 0


async def test_a_port_in_use_is_reported_with_the_next_step(calls: list[Call], tmp_path: Path) -> None:
    path = tmp_path / "calls.ndjson"
    path.write_bytes(export("ndjson", calls[:1]))
    words = (sys.executable, "-m", "loom", "open", str(path), "--ui")
    async for page in opened(path):
        where = page.viewer.page_url.removeprefix("http://").rstrip("/")
        process = await asyncio.create_subprocess_exec(*words, where, stderr=asyncio.subprocess.PIPE)
        _, err = await process.communicate()
        assert process.returncode == 2
        assert err.decode().endswith("choose another port with --ui, or leave it out for any free one\n")
    process = await asyncio.create_subprocess_exec(*words, "127.0.0.1:0", stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == f"{path}: 1 call, read-only\n".encode()
    process.terminate()
    await process.communicate()


async def test_keys_masked_when_recorded_are_masked(tmp_path: Path) -> None:
    path = tmp_path / "evidence"
    store = SessionWriter(path)
    store.mask(["x-tenant"])
    store.open()
    for event in unary(1):
        store.emit(event)
    store.close()
    async for page in opened(path):
        items = (await page.get("/api/calls/1"))["metadata"]["request"]
        assert [item["masked"] for item in items if item["key"] == "x-tenant"] == [True, True]


async def test_invalid_descriptors_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "evidence"
    store = write_session(path, recorded(*unary(1)))
    store.put_descriptors(StoredDescriptorSet("a:1", "reflection v1", "a:1", 5, b"no set"))
    assert store.flush()
    store.close()
    async for page in opened(path):
        [problem] = page.viewer.problems
        assert problem.startswith(f"{path}: the descriptors of a:1 cannot be read and were passed over: ")


async def test_a_file_that_needs_too_much_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_client, "_MEMORY_BYTES", 96 * 2**20)
    path = tmp_path / "bomb"
    path.write_bytes(bomb(60 * 2**20))
    viewer = Viewer(path, SETTINGS)
    with pytest.raises(LoomError, match=r"needs more than \d+ bytes of memory to be read"):
        await viewer.start()
    await viewer.stop()


def test_the_newest_calls_of_a_file_are_kept_whatever_their_order() -> None:
    newest = NewestCalls(100_000)
    order = [*range(2, 101, 2), *range(99, 0, -2)]
    for call_id in order:
        newest.add(recorded(*unary(call_id, dense(5_000)))[0])
    kept = [call.id for call in newest.calls()]
    assert kept == list(range(101 - len(kept), 101))
    assert newest.dropped == 100 - len(kept)
    assert 10 < len(kept) < 40


def test_one_call_is_kept_whatever_its_size() -> None:
    newest = NewestCalls(1_000)
    for call_id in (2, 3, 1):
        newest.add(recorded(*unary(call_id, dense(5_000)))[0])
    assert [call.id for call in newest.calls()] == [3]
