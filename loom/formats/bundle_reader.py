"""Read a bundle, whole or as far as it can be recovered."""

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

import msgspec
from msgspec import Struct

from loom.errors import LoomError
from loom.model import Call, StoredDescriptorSet
from loom.model.timestamps import parse_timestamp
from loom.recording.ndjson import FormatError, Problem, read_lines
from loom.recording.ndjson.lines import Seeds

from .bundle import CALLS, MANIFEST, VERSION
from .limits import DEFAULT_LIMITS, FileTooLargeError, ImportLimits, limited_lines
from .zip_recovery import recover_archive

_CHUNK_BYTES = 256 * 1024
_FORMAT = "loom-bundle"
# What zipfile raises for damaged, missing, encrypted and unsupported members.
_READ_ERRORS = (KeyError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError)


class BundleError(LoomError):
    """The file is not a bundle, is of a later version, or exceeds a limit."""


class _ManifestDescriptors(Struct):
    file: str
    target: str
    source: str
    origin: str
    fetched: str


class _Manifest(Struct, kw_only=True):
    """The part of the manifest that is read."""

    format: str
    version: int
    descriptors: list[_ManifestDescriptors] | None = None
    fault_seeds: Seeds = {}
    sha256: dict[str, str] = {}


_decode_manifest = msgspec.json.Decoder(_Manifest).decode


class BundleReader:
    """An opened bundle: its ``descriptors``, ``fault_seeds`` and calls, and the ``problems`` found so far.

    Raises :class:`BundleError`. One that was cut short is read as far as it goes, without its manifest at its end.
    """

    def __init__(self, file: BinaryIO, name: str, limits: ImportLimits = DEFAULT_LIMITS) -> None:
        self._name = name
        self._limits = limits
        self._manifest = _Manifest(format=_FORMAT, version=VERSION)
        self.problems: list[str] = []
        try:
            self._archive = zipfile.ZipFile(file)
        except zipfile.BadZipFile as error:
            self._archive = self._recover(file, error)
            self._check_size()
        except _READ_ERRORS as error:
            raise self._not_a_bundle(str(error)) from error
        else:
            self._check_size()
            self._manifest = self._read_manifest()
            self._check_digests()
        self.descriptors = list(self._read_descriptors())
        self.fault_seeds = self._manifest.fault_seeds

    def calls(self, problem: Callable[[Problem], None]) -> Iterator[Call]:
        """The calls that can be read; ``problem`` gets the rest."""
        try:
            with self._archive.open(CALLS) as file:
                for line in read_lines(limited_lines(file, self._limits.line, problem), problem):
                    if isinstance(line, Call):
                        yield line
        except (*_READ_ERRORS, FormatError) as error:
            problem(Problem(0, f"{CALLS}: {error}"))

    def _not_a_bundle(self, reason: str) -> BundleError:
        return BundleError(f"{self._name} is not a Loom bundle" + (f": {reason}" if reason else ""))

    def _recover(self, file: BinaryIO, error: zipfile.BadZipFile) -> zipfile.ZipFile:
        try:
            recovered, cut_member = recover_archive(file, self._limits.unpacked)
        except FileTooLargeError as too_large:
            raise BundleError(f"{self._name}: {too_large}") from too_large
        archive = zipfile.ZipFile(recovered)
        if CALLS not in archive.namelist():
            raise self._not_a_bundle(str(error)) from error
        where = f" within {cut_member}" if cut_member else ""
        self.problems.append(f"it is cut short{where}: what comes before is read")
        return archive

    def _check_size(self) -> None:
        """Refuse an archive that unpacks to too much. No member yields more than the size that is checked here."""
        if sum(info.file_size for info in self._archive.infolist()) > self._limits.unpacked:
            raise BundleError(f"{self._name} unpacks to more than {self._limits.unpacked} bytes")

    def _read_manifest(self) -> _Manifest:
        try:
            manifest = _decode_manifest(self._read_member(MANIFEST))
        except (*_READ_ERRORS, msgspec.MsgspecError, UnicodeError, FileTooLargeError) as error:
            raise self._not_a_bundle(str(error)) from error
        if manifest.format != _FORMAT or manifest.version < 1:
            raise self._not_a_bundle("")
        if manifest.version > VERSION:
            raise BundleError(
                f"{self._name} is a bundle of version {manifest.version}; this Loom reads {VERSION}: update it"
            )
        return manifest

    def _read_member(self, name: str) -> bytes:
        if self._archive.getinfo(name).file_size > self._limits.member:
            raise FileTooLargeError(f"{name} is larger than {self._limits.member} bytes")
        return self._archive.read(name)

    def _check_digests(self) -> None:
        for name, digest in self._manifest.sha256.items():
            try:
                same = self._digest(name) == digest
            except _READ_ERRORS as error:
                self.problems.append(f"{name} is damaged: {error}")
                continue
            if not same:
                self.problems.append(f"{name} was changed after the bundle was made")

    def _digest(self, name: str) -> str:
        digest = hashlib.sha256()
        with self._archive.open(name) as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    def _read_descriptors(self) -> Iterator[StoredDescriptorSet]:
        items = self._manifest.descriptors
        if items is None:  # the manifest is lost
            items = [
                _ManifestDescriptors(name, "", "bundle", "", "")
                for name in self._archive.namelist()
                if name.startswith("descriptors/")
            ]
        for item in items:
            try:
                fetched_ns = parse_timestamp(item.fetched) if item.fetched else 0
                file_set = self._read_member(item.file)
            except (*_READ_ERRORS, ValueError, FileTooLargeError) as error:
                self.problems.append(f"a descriptor set cannot be read: {error}")
            else:
                yield StoredDescriptorSet(item.target, item.source, item.origin, fetched_ns, file_set)
