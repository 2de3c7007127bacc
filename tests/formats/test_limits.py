"""Files that unpack to more than the limits, or hold what no session can store, are refused or reported."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from loom.errors import LoomError
from loom.formats.bundle_reader import BundleError, BundleReader
from loom.formats.call_file import CallFile
from loom.formats.limits import ImportLimits
from loom.model import Call
from tests.support.exports import export

MANIFEST = {"format": "loom-bundle", "version": 1}


def bundle(members: dict[str, bytes], manifest: object = MANIFEST) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr("manifest.json", json.dumps(manifest))
    return out.getvalue()


def read(path: Path, content: bytes, limits: ImportLimits | None = None) -> tuple[list[Call], list[str]]:
    path.write_bytes(content)
    with CallFile(path, limits or ImportLimits()) as file:
        opened = file.read()
        return list(opened.calls), opened.problems


@pytest.mark.parametrize("suffix", [0, 100], ids=["whole", "cut short"])
def test_a_bundle_that_unpacks_to_more_than_the_limit_is_refused(tmp_path: Path, suffix: int) -> None:
    content = bundle({"calls.ndjson": bytes(4_000_000)})
    with pytest.raises(BundleError, match="unpacks to more than 1000000 bytes"):
        read(tmp_path / "f", content[: len(content) - suffix], ImportLimits(unpacked=1_000_000))


def test_a_descriptor_set_larger_than_the_limit_is_left_out() -> None:
    item = {"file": "descriptors/1.binpb", "target": "t", "source": "s", "origin": "o",
            "fetched": "2026-01-01T00:00:00Z"}  # fmt: skip
    members = {"calls.ndjson": b"", "descriptors/1.binpb": bytes(2000)}
    content = io.BytesIO(bundle(members, MANIFEST | {"descriptors": [item]}))
    reader = BundleReader(content, "f", ImportLimits(member=1000))
    assert reader.descriptors == []
    assert reader.problems == [
        "a descriptor set cannot be read: descriptors/1.binpb is larger than 1000 bytes"
    ]


def test_a_manifest_larger_than_the_limit_is_refused() -> None:
    content = io.BytesIO(bundle({"calls.ndjson": b""}, MANIFEST | {"padding": "x" * 2000}))
    with pytest.raises(BundleError, match=r"manifest\.json is larger than 1000 bytes"):
        BundleReader(content, "f", ImportLimits(member=1000))


@pytest.mark.parametrize(
    "manifest",
    [
        MANIFEST | {"descriptors": [{"file": {}, "target": "", "source": "", "origin": "", "fetched": ""}]},
        MANIFEST | {"descriptors": {"file": "x"}},
        MANIFEST | {"sha256": ["calls.ndjson"]},
        MANIFEST | {"version": "1"},
        {"format": {}, "version": 1},
    ],
)
def test_a_manifest_of_other_types_is_refused(manifest: object) -> None:
    with pytest.raises(BundleError, match="is not a Loom bundle"):
        BundleReader(io.BytesIO(bundle({"calls.ndjson": b""}, manifest)), "f")


def test_a_manifest_that_is_nested_too_deeply_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("manifest.json", b'{"format":"loom-bundle","version":1,"x":' + b"[" * 100_000)
    with pytest.raises(BundleError, match="is not a Loom bundle"):
        BundleReader(out, "f")


def test_an_encrypted_bundle_is_refused() -> None:
    content = bytearray(bundle({"calls.ndjson": b""}))
    directory = content.rindex(b"PK\x01\x02")  # of the manifest: its flags, in both headers
    content[directory + 8] |= 1
    local = content.rindex(b"PK\x03\x04")
    content[local + 6] |= 1
    with pytest.raises(BundleError, match="encrypted"):
        BundleReader(io.BytesIO(bytes(content)), "f")


@pytest.mark.parametrize("kind", ["ndjson", "grpc-dump"])
async def test_a_line_longer_than_the_limit_is_reported_and_the_rest_is_read(
    calls: list[Call], tmp_path: Path, kind: str
) -> None:
    lines = export(kind, calls).splitlines(keepends=True)
    long = [*lines[:2], b'{"type":"call","x":"' + b"a" * 100_000 + b'"}\n', *lines[2:]]
    read_calls, problems = read(tmp_path / "f", b"".join(long), ImportLimits(line=50_000))
    assert len(read_calls) == len(calls)
    assert problems == [f"{tmp_path / 'f'}: line 3: the line is longer than 50000 bytes"]


async def test_an_indented_object_longer_than_the_limit_is_reported(
    calls: list[Call], tmp_path: Path
) -> None:
    lines = export("grpc-dump", calls).splitlines(keepends=True)
    large = json.dumps(json.loads(lines[0]) | {"note": ["x" * 100] * 1000}, indent=1).encode() + b"\n"
    read_calls, problems = read(tmp_path / "f", b"".join([*lines, large, *lines]), ImportLimits(line=50_000))
    assert len(read_calls) == 2 * len(calls)
    assert problems[0] == f"{tmp_path / 'f'}: line {len(lines) + 1}: the object is longer than 50000 bytes"


def changed(line: bytes, **fields: object) -> bytes:
    return json.dumps(json.loads(line) | fields).encode() + b"\n"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"id": 2**70}, "the id of more than 64 bits is out of range"),
        ({"id": 2**60}, f"the id {2**60} is out of range"),
        ({"replay_of": 2**70}, "call 2: replay_of is out of range"),
        ({"started": "9999-12-31T23:59:59Z"}, "call 2: started_ns does not fit into 64 bits"),
        ({"deadline_ns": 10**30}, "call 2: deadline_ns does not fit into 64 bits"),
        ({"duration_ns": 10**30}, "call 2: ended_ns does not fit into 64 bits"),
        ({"status": {"code": 10**30}}, "call 2: the status code of more than 64 bits is out of range"),
        ({"message_bytes": [10**30, 0]}, "call 2: request_bytes does not fit into 64 bits"),
        ({"wire": {"frames": 10**30}}, "call 2: wire.frames does not fit into 64 bits"),
    ],
)
async def test_a_call_with_a_number_out_of_range_is_left_out(
    calls: list[Call], tmp_path: Path, fields: dict[str, object], problem: str
) -> None:
    header, *rest = export("ndjson", calls).splitlines(keepends=True)
    lines = [changed(line, **fields) if json.loads(line).get("id") == 2 else line for line in rest]
    read_calls, problems = read(tmp_path / "f", header + b"".join(lines))
    assert [call.id for call in read_calls] == [1, 3, 4]
    assert problems == [f"{tmp_path / 'f'}: {problem}"]


@pytest.mark.parametrize("code", ["9" * 5000, 10**30, "Code(" + "9" * 30 + ")", "NO_SUCH"])
async def test_a_status_code_of_grpc_dump_out_of_range_is_reported(
    calls: list[Call], tmp_path: Path, code: object
) -> None:
    lines = export("grpc-dump", calls).splitlines(keepends=True)
    lines[1] = changed(lines[1], error={"code": code, "message": "x"})
    read_calls, problems = read(tmp_path / "f", b"".join(lines))
    assert len(read_calls) == len(calls) - 1
    assert len(problems) == 1


@pytest.mark.parametrize(
    ("kind", "nest"),
    [
        ("ndjson", lambda line, deep: changed(line, wire=0).replace(b'"wire": 0', b'"wire": ' + deep)),
        ("grpc-dump", lambda line, deep: changed(line, x=0).replace(b'"x": 0', b'"x": ' + deep)),
    ],
)
async def test_json_that_is_nested_too_deeply_is_reported(
    calls: list[Call], tmp_path: Path, kind: str, nest: Callable[[bytes, bytes], bytes]
) -> None:
    lines = export(kind, calls).splitlines(keepends=True)
    lines[-1] = nest(lines[-1], b"[" * 100_000 + b"]" * 100_000)
    read_calls, problems = read(tmp_path / "f", b"".join(lines))
    assert len(read_calls) == len(calls) - 1
    assert len(problems) == 1


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoomError, match="cannot be read"):
        read(tmp_path / "f", b"\x00" * 100_000)
