"""Write a bundle: calls, descriptor sets, timing and redactions in one file.

A ZIP archive (docs/reference/format.md, "Bundle"):

    calls.ndjson            the calls as NDJSON, without descriptor sets
    descriptors/N.binpb     FileDescriptorSets; the manifest says where each came from
    timing.json             the times of each call
    redactions.json         the masked keys of each call, and how many values each had
    manifest.json           the format's version, and the digest of every other member
"""

import hashlib
import io
import json
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from loom import __version__
from loom.decoding.stored_schema import StoredSchema
from loom.model import Call, Secrets, StoredDescriptorSet
from loom.model.timestamps import format_timestamp
from loom.recording.ndjson import header_line, to_line

from .destination import Destination

VERSION = 1
MANIFEST = "manifest.json"
CALLS = "calls.ndjson"
_CHUNK_BYTES = 256 * 1024


def write_bundle(
    calls: Iterable[Call],
    schema: StoredSchema,
    secrets: Secrets | None,
    destination: Destination,
    fault_seeds: Mapping[int, int],
) -> Iterator[bytes]:
    """Yield the archive in chunks."""
    out = _OutputBuffer()
    stored: dict[bytes, StoredDescriptorSet] = {}
    timing: list[dict[str, Any]] = []
    redactions: list[dict[str, Any]] = []
    digests: dict[str, str] = {}
    # The manifest comes last, as it has the digests of the other members.
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        digest = hashlib.sha256()
        calls_member = zipfile.ZipInfo(CALLS, time.localtime()[:6])
        calls_member.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(calls_member, "w", force_zip64=True) as file:
            for line in _lines(calls, schema, secrets, stored, timing, redactions):
                digest.update(line)
                file.write(line)
                if out.size >= _CHUNK_BYTES:
                    yield out.pop()
        digests[CALLS] = digest.hexdigest()

        def add(name: str, content: bytes) -> None:
            archive.writestr(name, content)
            digests[name] = hashlib.sha256(content).hexdigest()

        sets = []
        for number, item in enumerate(stored.values(), 1):
            name = f"descriptors/{number}.binpb"
            add(name, item.file_set)
            sets.append(
                {
                    "file": name,
                    "target": item.target,
                    "source": item.source,
                    "origin": item.origin,
                    "fetched": format_timestamp(item.fetched_ns),
                }
            )
        add("timing.json", _json({"calls": timing}))
        add("redactions.json", _json({"masked": secrets is not None, "calls": redactions}))
        manifest = {
            "format": "loom-bundle",
            "version": VERSION,
            "generator": f"loom {__version__}",
            "created": format_timestamp(time.time_ns()),
            "target": destination.address,
            "calls": len(timing),
            **({"fault_seeds": dict(fault_seeds)} if fault_seeds else {}),
            "secrets": "revealed" if secrets is None else "masked",
            "descriptors": sets,
            "sha256": digests,
        }
        archive.writestr(MANIFEST, _json(manifest))
    yield out.pop()


def _lines(
    calls: Iterable[Call],
    schema: StoredSchema,
    secrets: Secrets | None,
    stored: dict[bytes, StoredDescriptorSet],
    timing: list[dict[str, Any]],
    redactions: list[dict[str, Any]],
) -> Iterator[bytes]:
    yield header_line(revealed=secrets is None)
    for call in calls:
        descriptor_set = schema.descriptors(call.method)
        if descriptor_set is not None:
            stored.setdefault(descriptor_set.file_set, descriptor_set)
        timing.append(_timing(call))
        masked = _masked(call, secrets)
        if masked:
            redactions.append({"id": call.id, "keys": masked})
        yield to_line(call, secrets)


def _timing(call: Call) -> dict[str, Any]:
    def after(time_ns: int | None) -> int | None:
        return None if time_ns is None else time_ns - call.started_ns

    return {
        "id": call.id,
        "method": call.method,
        "started": format_timestamp(call.started_ns),
        "initial_metadata_ns": after(call.initial_ns),
        "first_request_ns": after(call.first_request_ns),
        "last_request_ns": after(call.last_request_ns),
        "half_closed_ns": after(call.half_closed_ns),
        "first_response_ns": after(call.first_response_ns),
        "last_response_ns": after(call.last_response_ns),
        "ended_ns": after(call.ended_ns),
        "deadline_ns": after(call.deadline_ns),
    }


def _masked(call: Call, secrets: Secrets | None) -> dict[str, int]:
    counts: dict[str, int] = {}
    if secrets is not None:
        for block in (call.request_metadata, call.initial_metadata, call.trailing_metadata):
            for key, _ in block or ():
                if secrets.masks(key):
                    counts[key] = counts.get(key, 0) + 1
    return counts


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"


class _OutputBuffer(io.RawIOBase):
    """A write-only file whose content is taken out from time to time."""

    def __init__(self) -> None:
        super().__init__()
        self._chunks: list[bytes] = []
        self.size = 0

    def write(self, data: Any, /) -> int:
        chunk = bytes(data)
        self._chunks.append(chunk)
        self.size += len(chunk)
        return len(chunk)

    def pop(self) -> bytes:
        data = b"".join(self._chunks)
        self._chunks.clear()
        self.size = 0
        return data
