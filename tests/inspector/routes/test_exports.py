"""Exports of calls over HTTP, and what imports make of them."""

import io
import json
import zipfile
from pathlib import Path

import pytest

from tests.inspector.storing_instance import storing_instance
from tests.support.exports import imported
from tests.support.mirror import Mirror


@pytest.mark.parametrize("session", ["default", None])
async def test_exports_and_imports(mirror: Mirror, tmp_path: Path, session: str | None) -> None:
    async with storing_instance(mirror, tmp_path, session=session, fault_seed=7) as at:
        await at.call("Alice", authorization="s3cret")
        await at.call("Bob")
        await at.get("/api/calls/1/messages")
        path = tmp_path / "calls.ndjson"
        path.write_bytes(await at.download(format="ndjson"))
        calls, problems = imported(path)
        assert ([call.id for call in calls], problems) == ([1, 2], [])
        assert json.loads(path.read_bytes().splitlines()[0])["fault_seeds"] == {"1": 7}
        other_seed = path.read_bytes().replace(b'{"1":7}', b'{"1":8}')
        assert b"s3cret" not in path.read_bytes()
        assert b"s3cret" in await at.download(reveal="1")
        assert len(json.loads(await at.download(format="har", ids="2"))["log"]["entries"]) == 1
        assert len((await at.download(format="grpc-dump", q="body:alice")).splitlines()) == 1
        with zipfile.ZipFile(io.BytesIO(await at.download(format="bundle"))) as archive:
            manifest = json.loads(archive.read("manifest.json"))
            assert (manifest["calls"], manifest["fault_seeds"]) == (2, {"1": 7})
            assert "descriptors/1.binpb" in archive.namelist()
        for wrong in ({"format": "pdf"}, {"ids": "1,x"}, {"q": "status:FOO"}):
            await at.get("/api/export", 400, **wrong)
        answer = await at.upload(other_seed + b"{\n")
        assert (answer["kind"], answer["ids"]) == ("ndjson", [3, 4])
        assert [problem.partition(": ")[2].partition(":")[0] for problem in answer["problems"]] == ["line 5"]
        assert await at.ids("body:text=bob") == [2, 4]
        header = json.loads((await at.download(format="ndjson")).splitlines()[0])
        assert header["fault_seeds"] == {"1": 7, "3": 8, "5": 7}
        assert "is not Loom's NDJSON" in (await at.upload(b"hello", 422))["error"]["message"]
    if session:
        async with storing_instance(None, tmp_path) as at:
            assert await at.ids("body:text=bob") == [2, 4]


async def test_an_exported_script_speaks_tls_as_loom_does(mirror: Mirror, tmp_path: Path) -> None:
    async with storing_instance(mirror, tmp_path / "one") as at:
        await at.call("Alice")
        content = await at.download()
    async with storing_instance(None, tmp_path / "two", tls=True, server_name="shop.example") as at:
        await at.upload(content)
        script = (await at.download(format="grpcurl")).decode()
        assert "-plaintext" not in script
        assert "-servername shop.example" in script
        assert f" {mirror.address} mirror.v1.Mirror/Say" in script
        assert json.loads(await at.download(format="har"))["log"]["entries"][0]["request"]["url"].startswith(
            "https:"
        )


async def test_what_a_session_was_recorded_with_stays_masked(mirror: Mirror, tmp_path: Path) -> None:
    async with storing_instance(mirror, tmp_path / "one", mask=("x-tenant",)) as at:
        await at.call("Alice", **{"x-tenant": "secret-42"})
        assert b"secret-42" not in await at.download()
        assert at.loom.store is not None
        file = at.loom.store.path
    for folder in ("one", "two"):  # the same session again without --mask, and one that takes it in
        async with storing_instance(mirror, tmp_path / folder) as at:
            if folder == "two":
                assert (await at.upload(file.read_bytes()))["ids"] == [1]
            assert b"secret-42" not in await at.download()
            assert b"secret-42" in await at.download(reveal="1")
            assert "secret-42" not in str(await at.get("/api/calls/1"))
            assert "secret-42" in str(await at.get("/api/calls/1", reveal=1))
