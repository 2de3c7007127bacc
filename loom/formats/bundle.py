"""The evidence bundle: one file with traffic, descriptors, timing and redactions, that opens offline.

A ZIP archive (docs/format.md, "Bundle"):

    manifest.json           what this is, which version, the digest of every other file
    calls.ndjson            the calls, in Loom's own lines, without descriptors
    descriptors/N.binpb     a FileDescriptorSet each; the manifest says where it came from
    timing.json             when what happened, call by call
    redactions.json         which keys are masked, and how often in which call
"""

import hashlib
import io
import json
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from loom import __version__
from loom.decoding.stored_schema import StoredSchema
from loom.errors import LoomError
from loom.model import Call, Secrets, StoredDescriptorSet
from loom.model.timestamps import format_timestamp, parse_timestamp
from loom.recording.ndjson import FormatError, Problem, header_line, read_lines, to_line

from .destination import Destination
from .zip_recovery import mended

VERSION = 1
_MANIFEST = "manifest.json"
_CALLS = "calls.ndjson"
_PIECE = 256 * 1024
_UNREADABLE = (KeyError, zipfile.BadZipFile, zlib.error, EOFError, OSError)  # what damage comes out as


class BundleError(LoomError):
    """A file that is no bundle, or of a later version."""


def write_bundle(
    calls: Iterable[Call], schema: StoredSchema, secrets: Secrets | None, destination: Destination
) -> Iterator[bytes]:
    """The archive, as it grows."""
    out = _Outlet()
    stored: dict[bytes, StoredDescriptorSet] = {}
    timing: list[dict[str, Any]] = []
    redactions: list[dict[str, Any]] = []
    digests: dict[str, str] = {}
    # The manifest is last in the archive: it has the digests of the others.
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        digest = hashlib.sha256()
        with archive.open(_CALLS, "w", force_zip64=True) as file:
            for line in _lines(calls, schema, secrets, stored, timing, redactions):
                digest.update(line)
                file.write(line)
                if out.size >= _PIECE:
                    yield out.take()
        digests[_CALLS] = digest.hexdigest()

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
            "secrets": "revealed" if secrets is None else "masked",
            "descriptors": sets,
            "sha256": digests,
        }
        archive.writestr(_MANIFEST, _json(manifest))
    yield out.take()


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
        found = schema.descriptors(call.method)
        if found is not None:
            stored.setdefault(found.file_set, found)
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


def _digest(archive: zipfile.ZipFile, name: str) -> str:
    digest = hashlib.sha256()
    with archive.open(name) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"


class _Outlet(io.RawIOBase):
    """A file that is only ever appended to, and emptied from time to time."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self.size = 0

    def write(self, data: Any, /) -> int:
        piece = bytes(data)
        self._parts.append(piece)
        self.size += len(piece)
        return len(piece)

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        self.size = 0
        return data


class Bundle:
    """An opened bundle: ``manifest``, ``descriptors``, and its calls. Raises :class:`BundleError`.

    One that was cut short is read as far as it goes; its manifest, which is last, says nothing then.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.manifest: dict[str, Any] = {}
        try:
            self._archive = zipfile.ZipFile(file)
        except zipfile.BadZipFile as error:
            self._archive, self.problems = self._mended(file, name, error)
        else:
            self.manifest = self._checked(name)
            self.problems = self._damaged()
        self.descriptors = self._descriptors()

    def _mended(
        self, file: BinaryIO, name: str, error: zipfile.BadZipFile
    ) -> tuple[zipfile.ZipFile, list[str]]:
        out, broken = mended(file)
        archive = zipfile.ZipFile(out)
        if _CALLS not in archive.namelist():
            raise BundleError(f"{name} is no bundle of Loom: {error}") from error
        where = f" within {broken}" if broken else ""
        return archive, [f"it is cut short{where}: what comes before is read"]

    def _checked(self, name: str) -> dict[str, Any]:
        try:
            manifest: dict[str, Any] = json.loads(self._archive.read(_MANIFEST))
            version = manifest["version"]
            known = manifest["format"] == "loom-bundle"
        except (*_UNREADABLE, ValueError, TypeError) as error:
            raise BundleError(f"{name} is no bundle of Loom: {error}") from error
        if not known or not isinstance(version, int):
            raise BundleError(f"{name} is no bundle of Loom")
        if version > VERSION:
            raise BundleError(
                f"{name} is a bundle of version {version}; this Loom reads {VERSION}: update it"
            )
        return manifest

    def calls(self, problem: Callable[[Problem], None]) -> Iterator[Call]:
        """The calls, as far as they can be read."""
        try:
            with self._archive.open(_CALLS) as lines:
                for read in read_lines(lines, problem):
                    if isinstance(read, Call):
                        yield read
        except (*_UNREADABLE, FormatError) as error:
            problem(Problem(0, f"{_CALLS}: {error}"))

    def _damaged(self) -> list[str]:
        """The files that are not what the manifest says they are."""
        problems = []
        for name, digest in self.manifest.get("sha256", {}).items():
            try:
                found = _digest(self._archive, name)
            except _UNREADABLE as error:
                problems.append(f"{name} is damaged: {error}")
                continue
            if found != digest:
                problems.append(f"{name} was changed after the bundle was made")
        return problems

    def _undeclared(self) -> list[dict[str, str]]:
        """The sets of a bundle whose manifest is lost."""
        return [
            {"target": "", "source": "bundle", "origin": "", "fetched": format_timestamp(0), "file": name}
            for name in self._archive.namelist()
            if name.startswith("descriptors/")
        ]

    def _descriptors(self) -> list[StoredDescriptorSet]:
        stored = []
        for item in self.manifest.get("descriptors", self._undeclared()):
            try:
                stored.append(
                    StoredDescriptorSet(
                        item["target"],
                        item["source"],
                        item["origin"],
                        parse_timestamp(item["fetched"]),
                        self._archive.read(item["file"]),
                    )
                )
            except (*_UNREADABLE, TypeError, ValueError) as error:
                self.problems.append(f"a set of descriptors cannot be read: {error}")
        return stored
