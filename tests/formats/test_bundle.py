"""A bundle holds all that is needed, opens again, and tells what is wrong with it."""

import io
import json
import time
import zipfile
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from loom.formats.bundle_reader import BundleError, BundleReader
from loom.formats.call_file import CallFile
from loom.model import MASK, Call
from tests.support.exports import assert_same, export, imported
from tests.support.mirror import file_set


def parts(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def rebuilt(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


async def test_opens_again_as_it_was(calls: list[Call], tmp_path: Path) -> None:
    path = tmp_path / "evidence.loom.zip"
    path.write_bytes(export("bundle", calls, reveal=True))
    found, problems = imported(path)
    assert problems == []
    assert_same(found, calls)


async def test_holds_descriptors_timing_and_redactions(calls: list[Call]) -> None:
    files = parts(export("bundle", calls))
    manifest = json.loads(files["manifest.json"])
    assert (manifest["format"], manifest["version"], manifest["calls"]) == ("loom-bundle", 1, 4)
    assert manifest["secrets"] == "masked"
    [descriptors] = manifest["descriptors"]
    assert FileDescriptorSet.FromString(files[descriptors["file"]]) == file_set()
    assert json.loads(files["redactions.json"]) == {
        "masked": True,
        "calls": [{"id": 1, "keys": {"authorization": 1}}],
    }
    timing = json.loads(files["timing.json"])["calls"]
    assert [entry["id"] for entry in timing] == [1, 2, 3, 4]
    assert timing[0]["ended_ns"] == calls[0].duration_ns
    assert set(manifest["sha256"]) == files.keys() - {"manifest.json"}


async def test_members_are_dated() -> None:
    earliest = time.localtime(time.time() - 2)[:6]  # ZIP has steps of two seconds
    with zipfile.ZipFile(io.BytesIO(export("bundle", []))) as archive:
        dates = {item.filename: item.date_time for item in archive.infolist()}
    assert dates.keys() >= {"calls.ndjson", "manifest.json"}
    assert all(earliest <= date <= time.localtime()[:6] for date in dates.values())


async def test_secrets_are_masked_unless_asked_for(calls: list[Call], tmp_path: Path) -> None:
    masked, revealed = parts(export("bundle", calls)), parts(export("bundle", calls, reveal=True))
    assert b"s3cret" not in b"".join(masked.values())
    assert b"s3cret" in revealed["calls.ndjson"]
    path = tmp_path / "masked.zip"
    path.write_bytes(export("bundle", calls))
    assert ("authorization", MASK) in imported(path)[0][0].request_metadata


async def test_a_changed_or_missing_part_is_told_and_the_rest_is_read(
    calls: list[Call], tmp_path: Path
) -> None:
    files = parts(export("bundle", calls))
    lines = files["calls.ndjson"].splitlines(keepends=True)
    files["calls.ndjson"] = b"".join([*lines[:2], b'{"type":"call"\n', *lines[3:]])
    del files["timing.json"]
    path = tmp_path / "damaged.zip"
    path.write_bytes(rebuilt(files))
    found, problems = imported(path)
    assert [call.id for call in found] == [1, 3, 4]
    assert f"{path}: calls.ndjson was changed after the bundle was made" in problems
    assert any("timing.json is damaged" in problem for problem in problems)
    assert any("line 3: Input data was truncated" in problem for problem in problems)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ({"format": "loom-bundle", "version": 2}, "is a bundle of version 2; this Loom reads 1"),
        ({"format": "other", "version": 1}, "is not a Loom bundle"),
        ({}, "is not a Loom bundle"),
        ([], "is not a Loom bundle"),
    ],
)
def test_what_is_no_bundle_is_refused(manifest: object, message: str) -> None:
    content = rebuilt({"manifest.json": json.dumps(manifest).encode()})
    with pytest.raises(BundleError, match=message):
        BundleReader(io.BytesIO(content), "evidence.zip")


async def test_one_cut_short_is_read_as_far_as_it_goes(calls: list[Call], tmp_path: Path) -> None:
    """Without what is at its end it still has all calls and their schema; cut in the middle, the first ones."""
    path = tmp_path / "cut.zip"
    whole = export("bundle", calls)
    path.write_bytes(whole[:-100])
    with CallFile(path) as file:
        incoming = file.read()
        assert [call.id for call in incoming.calls] == [1, 2, 3, 4]
        assert [FileDescriptorSet.FromString(item.file_set) for item in incoming.descriptors] == [file_set()]
        assert incoming.problems == [f"{path}: it is cut short: what comes before is read"]
    path.write_bytes(export("bundle", calls * 500)[: len(whole) // 2])
    found, problems = imported(path)
    assert [call.id for call in found[:3]] == [1, 2, 3]
    assert problems[0] == f"{path}: it is cut short within calls.ndjson: what comes before is read"
    assert problems[1].startswith(f"{path}: line {len(found) + 2}: ")


async def test_one_that_lost_its_calls_is_refused(calls: list[Call], tmp_path: Path) -> None:
    path = tmp_path / "cut.zip"
    path.write_bytes(export("bundle", calls)[:20])
    with pytest.raises(BundleError, match=r"cut\.zip is not a Loom bundle"):
        imported(path)


async def test_bytes_that_do_not_inflate_are_told(calls: list[Call], tmp_path: Path) -> None:
    path = tmp_path / "damaged.zip"
    content = bytearray(export("bundle", calls))
    content[60:200] = bytes(140)
    path.write_bytes(content)
    _, problems = imported(path)
    assert problems[0].startswith(f"{path}: calls.ndjson is damaged: Error -3 while decompressing")
