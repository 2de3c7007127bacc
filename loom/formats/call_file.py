"""Any file of calls that Loom reads: its own lines, a bundle, a dump of grpc-dump, a session's database."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

from loom.errors import LoomError
from loom.model import Call, StoredDescriptorSet
from loom.model.timestamps import parse_timestamp
from loom.recording.ndjson import FormatError, Problem, read_lines
from loom.recording.ndjson.lines import Descriptors
from loom.sessions import SessionReader

from .bundle import Bundle
from .grpc_dump import looks_like_grpc_dump, read_grpc_dump

_SQLITE = b"SQLite format 3\0"
_ZIP = b"PK\x03\x04"
_BOM = b"\xef\xbb\xbf"  # what some editors put before UTF-8
_READ = "Loom reads its NDJSON, bundles, sessions and grpc-dump's JSON (docs/format.md)"


@dataclass(slots=True)
class CallFileContent:
    """What a file holds. ``problems`` grows while ``calls`` is read: lines that say where something is damaged."""

    kind: str
    calls: Iterator[Call]
    descriptors: list[StoredDescriptorSet] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    masked: list[str] = field(
        default_factory=list
    )  # keys of metadata that a session masks beside the usual ones


class CallFile:
    """An opened file; use it in a ``with``. Raises :class:`LoomError` for one that cannot be read at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise LoomError(f"{path} cannot be read: {error.strerror}") from error
        if not self._file.seekable():
            self._file.close()
            raise LoomError(
                f"{path} is a pipe, and Loom reads a file more than once: save it to a file first"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self) -> CallFileContent:
        """Find out what it is, and read it; calls come as they are asked for."""
        start = self._file.read(16)
        self._file.seek(0)
        if start.startswith(_ZIP):
            return self._bundle()
        if start == _SQLITE:
            return self._session()
        begin = len(_BOM) if start.startswith(_BOM) else 0
        self._file.seek(begin)
        is_dump = looks_like_grpc_dump(self._file)
        self._file.seek(begin)
        if is_dump:
            found = CallFileContent("grpc-dump", iter(()))
            found.calls = read_grpc_dump(self._file, self._noting(found))
        else:
            found = CallFileContent("ndjson", iter(()))
            found.calls = self._lines(found)
        return found

    def _noting(self, found: CallFileContent) -> Callable[[Problem], None]:
        def note(problem: Problem) -> None:
            found.problems.append(f"{self._path}: {problem}")

        return note

    def _lines(self, found: CallFileContent) -> Iterator[Call]:
        try:
            for read in read_lines(self._file, self._noting(found)):
                if isinstance(read, Descriptors):
                    fetched = parse_timestamp(read.fetched) if read.fetched else 0
                    found.descriptors.append(
                        StoredDescriptorSet(read.target, read.source, read.origin, fetched, read.file_set)
                    )
                else:
                    yield read
        except FormatError as error:
            raise LoomError(f"{self._path} cannot be read: {error}; {_READ}") from error

    def _bundle(self) -> CallFileContent:
        bundle = Bundle(self._file, str(self._path))
        problems = [f"{self._path}: {problem}" for problem in bundle.problems]
        found = CallFileContent("bundle", iter(()), bundle.descriptors, problems)
        found.calls = bundle.calls(self._noting(found))
        return found

    def _session(self) -> CallFileContent:
        with SessionReader(self._path) as reader:
            found = CallFileContent(
                "session", iter(()), reader.descriptors(), masked=reader.masked(), problems=reader.damaged
            )
        found.calls = self._session_calls(found)
        return found

    def _session_calls(self, found: CallFileContent) -> Iterator[Call]:
        with SessionReader(self._path) as reader:
            yield from reader.calls()
            found.problems += [problem for problem in reader.damaged if problem not in found.problems]
