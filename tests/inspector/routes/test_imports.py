"""Files of calls imported over HTTP."""

import tempfile
from pathlib import Path

import pytest

from loom.archive import archive
from loom.sessions import SessionWriter, session_path
from loom.workers import encode_frame
from tests.inspector.storing_instance import storing_instance
from tests.support.child_processes import kill_children
from tests.support.exports import export
from tests.support.mirror import Mirror
from tests.support.traffic import dense, recorded, unary


async def test_an_imported_replay_is_one_of_its_call(tmp_path: Path) -> None:
    calls = recorded(*unary(1), *unary(2), *unary(3))
    calls[1].replay_of, calls[2].replay_of = 1, 99
    async with storing_instance(None, tmp_path) as at:
        assert (await at.upload(export("ndjson", calls[::-1])))["ids"] == [1, 2, 3]
        listed = (await at.get("/api/calls"))["calls"]
        assert [(call["replay_of"], "replayed" in call["flags"]) for call in listed] == [
            (None, False),
            (1, True),
            (0, True),
        ]


async def test_an_imported_file_brings_its_schema(mirror: Mirror, tmp_path: Path) -> None:
    async with storing_instance(mirror, tmp_path / "one") as at:
        await at.call("Alice")
        await at.get("/api/calls/1/messages")
        exported = {kind: await at.download(format=kind) for kind in ("ndjson", "bundle")}
    for kind, content in exported.items():
        async with storing_instance(None, tmp_path / kind) as at:
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
    async with storing_instance(None, tmp_path) as at:
        before = list(temporary.iterdir())
        assert (await at.upload(store.path.read_bytes()))["ids"] == [1]
        await at.upload(b"hello", 422)
        assert list(temporary.iterdir()) == before


async def test_an_import_that_is_interrupted_records_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = recorded(*(event for call_id in range(1, 100) for event in unary(call_id, dense(50_000))))
    content = export("ndjson", calls)

    def encode_and_kill(message: object) -> bytes:
        kill_children()
        return encode_frame(message)

    async with storing_instance(None, tmp_path) as at:
        with monkeypatch.context() as patch:
            patch.setattr(archive, "encode_frame", encode_and_kill)
            answer = await at.upload(content, 422)
        assert "the process that reads it died" in answer["error"]["message"]
        assert (await at.get("/api/calls"))["calls"] == []
        assert len((await at.upload(content))["ids"]) == 99
        assert (await at.get("/api/calls"))["total"] == 99


async def test_calls_of_one_id_stay_apart(tmp_path: Path) -> None:
    [first] = recorded(*unary(1, b"\x0a\x03one"))
    [second] = recorded(*unary(1, b"\x0a\x03two")[:3])
    async with storing_instance(None, tmp_path) as at:
        content = export("ndjson", [second, first, first])
        assert (await at.upload(content))["ids"] == [1, 2, 3]
