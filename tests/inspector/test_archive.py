"""Calls found, exported and imported over HTTP, in a whole Loom with a session on disk."""

import asyncio
import contextlib
import io
import json
import tempfile
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest

from loom.archive.archive import Archive
from loom.archive.stored_descriptors import DescriptorRegistry
from loom.model import Address, Call, StoredDescriptorSet
from loom.runtime.loom import Loom
from loom.runtime.settings import Settings
from loom.sessions import SessionWriter, session_path
from tests.support.child_processes import kill_children
from tests.support.databases import change
from tests.support.exports import export, imported
from tests.support.mirror import SERVICE, Mirror, running_mirror, thing
from tests.support.narrowing import required
from tests.support.traffic import recorded, unary


class Running:
    """A Loom, its client and its API."""

    def __init__(self, loom: Loom, http: aiohttp.ClientSession, channel: grpc.aio.Channel) -> None:
        self.loom, self.http, self.channel = loom, http, channel
        self.base = f"http://127.0.0.1:{loom.ui_address.port if loom.ui_address else 0}"

    async def call(self, text: str, **metadata: str) -> None:
        multi: Any = self.channel.stream_stream(f"/{SERVICE}/Say")
        stream = multi(iter([thing(text=text)]), metadata=tuple(metadata.items()))
        with contextlib.suppress(grpc.aio.AioRpcError):
            async for _ in stream:
                pass

    async def get(self, path: str, expected: int = 200, **query: Any) -> Any:
        async with self.http.get(self.base + path, params=query) as answer:
            body = await answer.json()
            assert answer.status == expected, body
            return body

    async def ids(self, q: str, **query: Any) -> list[int]:
        return [call["id"] for call in (await self.get("/api/calls", q=q, **query))["calls"]]

    async def download(self, **query: Any) -> bytes:
        async with self.http.get(f"{self.base}/api/export", params=query) as answer:
            assert answer.status == 200, await answer.text()
            assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
            return await answer.read()

    async def upload(self, data: bytes, expected: int = 200) -> Any:
        async with self.http.post(f"{self.base}/api/import", data=data) as answer:
            body = await answer.json()
            assert answer.status == expected, body
            return body

    async def search(self, q: str, **limits: int) -> list[tuple[str, Any]]:
        async with self.http.get(f"{self.base}/api/search", params={"q": q, **limits}) as answer:
            assert answer.content_type == "text/event-stream"
            text = (await answer.read()).decode()
        blocks = [
            dict(line.split(": ", 1) for line in block.splitlines())
            for block in text.split("\r\n\r\n")
            if block
        ]
        return [(block["event"], json.loads(block["data"])) for block in blocks if "event" in block]


@contextlib.asynccontextmanager
async def running(mirror: Mirror | None, folder: Path, **settings: Any) -> AsyncIterator[Running]:
    address = Address.parse(mirror.address) if mirror else Address("127.0.0.1", 1)
    loom = Loom(
        Settings(
            target=address,
            listen=Address("127.0.0.1", 0),
            ui=Address("127.0.0.1", 0),
            data_dir=folder,
            **settings,
        )
    )
    await loom.start()
    try:
        async with (
            aiohttp.ClientSession() as http,
            grpc.aio.insecure_channel(str(loom.listen_address)) as channel,
        ):
            yield Running(loom, http, channel)
    finally:
        await loom.stop()


@pytest.fixture
async def mirror() -> AsyncIterator[Mirror]:
    async with running_mirror() as made:
        yield made


@pytest.mark.parametrize("session", ["default", None])
async def test_filters_are_answered(mirror: Mirror, tmp_path: Path, session: str | None) -> None:
    async with running(mirror, tmp_path, session=session) as at:
        await at.call("Alice")
        await at.call("Bob", **{"x-tenant": "42", "mirror-code": "5"})
        await at.get("/api/calls/1/messages")  # somebody looks: the schema is there from now on
        assert await at.ids("status:NOT_FOUND") == [2]
        assert await at.ids("/Say$/") == [1, 2]
        assert await at.ids("meta:x-tenant=42") == [2]
        assert await at.ids("body:text=alice") == [1]
        assert await at.ids("method:Say", limit=1) == [2]
        assert await at.ids("method:Say", before=2) == [1]
        assert await at.ids("body:a", after=1) == []
        error = await at.get("/api/calls", 400, q="order status:FOO")
        assert error["error"]["column"] == 13
        events = await at.search("body:bob")
        assert [call["id"] for kind, body in events if kind == "found" for call in body["calls"]] == [2]
        assert events[-1] == ("done", {"searched": 2, "found": 1, "problems": []})
        assert (await at.get("/api/search", 400, q='body:"'))["error"]["column"] == 5
        events = await at.search("body:b meta:user-agent", limit=1, before=3)
        assert [call["id"] for kind, body in events if kind == "found" for call in body["calls"]] == [2]


@pytest.mark.parametrize("times", [1, 2])
async def test_a_filter_whose_process_is_killed(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    left = times

    async def killing(_: DescriptorRegistry) -> list[StoredDescriptorSet]:
        """The first step of sending calls to the process."""
        nonlocal left
        if left:
            left -= 1
            kill_children()
        return []

    monkeypatch.setattr(DescriptorRegistry, "stored", killing)
    async with running(mirror, tmp_path, session=None) as at:
        await at.call("Alice")
        if times == 1:
            assert await at.ids("body:alice") == [1]
        else:
            error = await at.get("/api/calls", 503, q="body:alice")
            assert error["error"]["message"].startswith(
                "the search process died, and so did a second one (signal 9 (SIGKILL); "
            )
        assert await at.ids("body:alice") == [1]
        left = times
        events = await at.search("body:alice")
        assert events[-1][0] == ("done" if times == 1 else "failed")
        left = times
        async with at.http.get(f"{at.base}/api/export") as answer:
            assert answer.status == (200 if times == 1 else 503)
            text = await answer.text()
        assert ("try again" in text) == (times == 2)


async def test_a_filter_that_nobody_waits_for_is_given_up(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, given_up = asyncio.Event(), asyncio.Event()

    async def endless(*_: object) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()

    monkeypatch.setattr(Archive, "list_matching", endless)
    async with running(mirror, tmp_path) as at:
        asking = asyncio.create_task(at.ids("body:x"))
        await begun.wait()
        asking.cancel()
        await given_up.wait()


async def test_what_is_no_longer_in_memory_is_found_on_disk(mirror: Mirror, tmp_path: Path) -> None:
    async with running(mirror, tmp_path, history_bytes=256 * 1024) as at:
        for number in range(1, 11):
            await at.call(f"{number} " + "x" * 30_000)
        assert at.loom.history.get(1) is None
        assert await at.ids("method:Say") == list(range(1, 11))
        assert await at.ids("method:Say", limit=9) == list(range(2, 11))
        assert await at.ids("body:1*x bytes:>1") == [1, 10]
        assert (await at.get("/api/calls/1"))["bytes"][0] > 30_000
        assert (await at.get("/api/calls/1/messages/0"))["json"]["text"].startswith("1 x")
        assert (await at.get("/api/calls/11", 404))["error"]["evicted"] is False


async def test_without_a_filter_the_session_is_listed_too(mirror: Mirror, tmp_path: Path) -> None:
    async with running(mirror, tmp_path, history_bytes=256 * 1024) as at:

        async def listed(**query: Any) -> tuple[list[int], bool]:
            answer = await at.get("/api/calls", **query)
            return [call["id"] for call in answer["calls"]], answer["more"]

        for number in range(1, 11):
            await at.call(f"{number} " + "x" * 30_000)
        at.loom.flush()
        oldest = at.loom.history.oldest_id
        assert 4 < oldest < 10
        assert await listed() == (list(range(1, 11)), False)
        assert await listed(limit=10) == (list(range(1, 11)), False)
        assert await listed(limit=9) == (list(range(2, 11)), True)
        assert await listed(limit=1) == ([10], True)
        assert await listed(limit=11 - oldest) == (list(range(oldest, 11)), True)
        assert await listed(before=4) == ([1, 2, 3], False)
        assert await listed(before=4, limit=2) == ([2, 3], True)
        assert await listed(before=1) == ([], False)
        assert await listed(memory=1) == (list(range(oldest, 11)), False)
        assert await listed(memory=1, before=9, limit=1) == ([8], True)
        assert await listed(after=oldest, limit=1) == ([oldest + 1], True)
        assert await listed(q="method:Say", limit=10) == (list(range(1, 11)), False)
        assert await listed(q="method:Say", limit=9) == (list(range(2, 11)), True)


async def test_a_call_in_flight_does_not_hide_those_that_only_the_session_has(
    mirror: Mirror, tmp_path: Path
) -> None:
    async with running(mirror, tmp_path, history_bytes=256 * 1024) as at:
        multi: Any = at.channel.stream_stream(f"/{SERVICE}/Say")
        open_stream = multi()
        await open_stream.write(thing(text="still there"))
        async with asyncio.timeout(10):
            while at.loom.history.get(1) is None:  # noqa: ASYNC110 (nothing tells of it)
                await asyncio.sleep(0.01)
        for number in range(2, 11):
            await at.call(f"{number} " + "x" * 30_000)
        assert at.loom.history.oldest_id > 3
        assert await at.ids("method:Say") == list(range(1, 11))
        assert [call["id"] for call in (await at.get("/api/calls"))["calls"]] == list(range(1, 11))
        open_stream.cancel()


async def test_what_cannot_be_read_is_said(
    mirror: Mirror, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(mirror, tmp_path) as at:
        for number in range(3):
            await at.call(str(number))
            at.loom.flush()
            store = at.loom.store
            assert store is not None
            assert store.flush()
    change(required(store).path, "UPDATE batches SET events = x'dc00' WHERE first_id = 2")
    async with running(mirror, tmp_path) as at:
        [problem] = (await at.get("/api/stats"))["sinks"]["session"]["problems"]
        assert problem.endswith("is damaged and was skipped: it is not compressed")
        answer = await at.get("/api/calls", q="body:/./")
        assert ([call["id"] for call in answer["calls"]], answer["problems"]) == ([1, 3], [problem])
        caplog.clear()
        await at.download()
        assert f"an export is incomplete: {problem}" in caplog.text


async def test_an_earlier_run_decodes_with_its_backend_gone(mirror: Mirror, tmp_path: Path) -> None:
    async with running(mirror, tmp_path) as at:
        await at.call("Alice")
        assert (await at.get("/api/calls/1/messages/0"))["json"] == {"text": "Alice"}
    async with running(None, tmp_path) as at:
        listed = (await at.get("/api/calls"))["calls"]
        assert [(call["id"], call["flags"], call["kind"]) for call in listed] == [(1, ["restored"], "unary")]
        view = await at.get("/api/calls/1/messages/0")
        assert (view["json"], view["source"]) == ({"text": "Alice"}, "reflection v1alpha, stored")
        assert await at.ids("body:text=alice") == [1]
        await at.call("nobody there")
        assert (await at.get("/api/calls/2"))["status"]["name"] == "UNAVAILABLE"


async def test_cleared_calls_do_not_come_back(mirror: Mirror, tmp_path: Path) -> None:
    async with running(mirror, tmp_path) as at:
        await at.call("Alice")
        async with at.http.delete(f"{at.base}/api/calls") as answer:
            assert await answer.json() == {"cleared": 1}
        await at.call("Bob")
        assert await at.ids("body:Say -body:Alice") == []
        assert await at.ids("body:/./") == [2]
        gone = (await at.get("/api/calls/1", 404))["error"]
        assert (gone["message"], gone["evicted"]) == ("call 1 was cleared", True)
        assert "--history-bytes" not in gone["hint"]
    async with running(mirror, tmp_path) as at:
        assert [call["id"] for call in (await at.get("/api/calls"))["calls"]] == [2]
        assert (await at.get("/api/calls/1", 404))["error"]["message"] == "call 1 was cleared"


@pytest.mark.parametrize("session", ["default", None])
async def test_exports_and_imports(mirror: Mirror, tmp_path: Path, session: str | None) -> None:
    async with running(mirror, tmp_path, session=session) as at:
        await at.call("Alice", authorization="s3cret")
        await at.call("Bob")
        await at.get("/api/calls/1/messages")
        path = tmp_path / "calls.ndjson"
        path.write_bytes(await at.download(format="ndjson"))
        calls, problems = imported(path)
        assert ([call.id for call in calls], problems) == ([1, 2], [])
        assert b"s3cret" not in path.read_bytes()
        assert b"s3cret" in await at.download(reveal="1")
        assert len(json.loads(await at.download(format="har", ids="2"))["log"]["entries"]) == 1
        assert len((await at.download(format="grpc-dump", q="body:alice")).splitlines()) == 1
        with zipfile.ZipFile(io.BytesIO(await at.download(format="bundle"))) as archive:
            assert json.loads(archive.read("manifest.json"))["calls"] == 2
            assert "descriptors/1.binpb" in archive.namelist()
        for wrong in ({"format": "pdf"}, {"ids": "1,x"}, {"q": "status:FOO"}):
            await at.get("/api/export", 400, **wrong)
        answer = await at.upload(path.read_bytes() + b"{\n")
        assert (answer["kind"], answer["ids"]) == ("ndjson", [3, 4])
        assert [problem.partition(": ")[2].partition(":")[0] for problem in answer["problems"]] == ["line 5"]
        assert await at.ids("body:text=bob") == [2, 4]
        assert "is not Loom's NDJSON" in (await at.upload(b"hello", 422))["error"]["message"]
    if session:
        async with running(None, tmp_path) as at:
            assert await at.ids("body:text=bob") == [2, 4]


async def test_an_imported_replay_is_one_of_its_call(tmp_path: Path) -> None:
    calls = recorded(*unary(1), *unary(2), *unary(3))
    calls[1].replay_of, calls[2].replay_of = 1, 99
    async with running(None, tmp_path) as at:
        assert (await at.upload(export("ndjson", calls[::-1])))["ids"] == [1, 2, 3]
        listed = (await at.get("/api/calls"))["calls"]
        assert [(call["replay_of"], "replayed" in call["flags"]) for call in listed] == [
            (None, False),
            (1, True),
            (0, True),
        ]


async def test_an_exported_script_speaks_tls_as_loom_does(mirror: Mirror, tmp_path: Path) -> None:
    async with running(mirror, tmp_path / "one") as at:
        await at.call("Alice")
        content = await at.download()
    async with running(None, tmp_path / "two", tls=True, server_name="shop.example") as at:
        await at.upload(content)
        script = (await at.download(format="grpcurl")).decode()
        assert "-plaintext" not in script
        assert "-servername shop.example" in script
        assert f" {mirror.address} mirror.v1.Mirror/Say" in script
        assert json.loads(await at.download(format="har"))["log"]["entries"][0]["request"]["url"].startswith(
            "https:"
        )


async def test_what_a_session_was_recorded_with_stays_masked(mirror: Mirror, tmp_path: Path) -> None:
    async with running(mirror, tmp_path / "one", mask=("x-tenant",)) as at:
        await at.call("Alice", **{"x-tenant": "secret-42"})
        assert b"secret-42" not in await at.download()
        assert at.loom.store is not None
        file = at.loom.store.path
    for folder in ("one", "two"):  # the same session again without --mask, and one that takes it in
        async with running(mirror, tmp_path / folder) as at:
            if folder == "two":
                assert (await at.upload(file.read_bytes()))["ids"] == [1]
            assert b"secret-42" not in await at.download()
            assert b"secret-42" in await at.download(reveal="1")
            assert "secret-42" not in str(await at.get("/api/calls/1"))
            assert "secret-42" in str(await at.get("/api/calls/1", reveal=1))


async def test_an_imported_file_brings_its_schema(mirror: Mirror, tmp_path: Path) -> None:
    async with running(mirror, tmp_path / "one") as at:
        await at.call("Alice")
        await at.get("/api/calls/1/messages")
        exported = {kind: await at.download(format=kind) for kind in ("ndjson", "bundle")}
    for kind, content in exported.items():
        async with running(None, tmp_path / kind) as at:
            assert (await at.upload(content))["ids"] == [1]
            view = await at.get("/api/calls/1/messages/0")
            assert view["json"] == {"text": "Alice"}
            assert await at.ids("body:text=alice") == [1]


async def test_an_uploaded_session_leaves_no_files_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SessionWriter(session_path("sent", tmp_path))
    store.open()
    store.emit(*unary(1))
    store.close()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    async with running(None, tmp_path) as at:
        before = list(temporary.iterdir())
        assert (await at.upload(store.path.read_bytes()))["ids"] == [1]
        await at.upload(b"hello", 422)
        assert list(temporary.iterdir()) == before


async def test_a_session_in_use_costs_the_second_loom_its_session_only(
    mirror: Mirror, tmp_path: Path
) -> None:
    async with running(mirror, tmp_path) as first, running(mirror, tmp_path) as second:
        await first.call("Alice")
        await second.call("Bob")
        status = (await second.get("/api/stats"))["sinks"]["session"]
        assert "is in use by another Loom" in status["error"]
        assert await second.ids("body:bob") == [1]
        assert isinstance(first.loom.history.get(1), Call)
