"""Read a file of calls in any format that Loom reads: NDJSON, a bundle, grpc-dump's JSON, or a session."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

from msgspec import UNSET

from loom.errors import LoomError
from loom.model import Call, StoredDescriptorSet
from loom.model.timestamps import parse_timestamp
from loom.recording.ndjson import FormatError, Problem, read_lines
from loom.recording.ndjson.lines import Descriptors, Header
from loom.sessions import SessionReader

from .bundle_reader import BundleReader
from .call_validation import valid_calls
from .grpc_dump_reader import looks_like_grpc_dump, read_grpc_dump
from .limits import DEFAULT_LIMITS, ImportLimits, limited_lines

_SQLITE = b"SQLite format 3\0"
_ZIP = b"PK\x03\x04"
_BOM = b"\xef\xbb\xbf"  # some editors write it before UTF-8
_FORMATS = "Loom reads its NDJSON, bundles, sessions and grpc-dump's JSON (docs/reference/format.md)"


@dataclass(slots=True)
class CallFileContent:
    """The content of a file of calls.

    ``calls`` is read lazily; meanwhile ``descriptors`` and ``problems``, lines that say what could not be read, grow.
    ``masked`` are the metadata keys that a session masks beside the default ones; ``fault_seeds`` the seeds of its
    runs, by the id of their first call, of which those of a log grow, too.
    """

    kind: str
    calls: Iterator[Call] = field(default_factory=lambda: iter(()))
    descriptors: list[StoredDescriptorSet] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    masked: list[str] = field(default_factory=list)
    fault_seeds: dict[int, int] = field(default_factory=dict)


class _RunSeeds:
    """Fills ``seeds`` from the headers of a file: those of an export, or that of each run in a log."""

    def __init__(self, seeds: dict[int, int]) -> None:
        self._seeds = seeds
        self._seed: int | None = None
        self._first_id: int | None = None

    def start(self, header: Header) -> None:
        """A header: of the file, or of a run that follows."""
        self._seeds.update(header.fault_seeds or {})
        self._seed = None if header.fault_seed is UNSET else header.fault_seed
        self._first_id = None

    def add(self, call_id: int) -> None:
        """A call of that run: a log has calls in the order of their ends."""
        if self._seed is None or (self._first_id is not None and call_id >= self._first_id):
            return
        if self._first_id is not None:
            self._seeds.pop(self._first_id, None)
        self._first_id = call_id
        self._seeds[call_id] = self._seed


class CallFile:
    """An opened file of calls; a context manager. Raises :class:`LoomError` if the file cannot be read at all."""

    def __init__(self, path: Path, limits: ImportLimits = DEFAULT_LIMITS) -> None:
        self._path = path
        self._limits = limits
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
        """Detect the format, and start reading."""
        start = self._file.read(16)
        self._file.seek(0)
        if start.startswith(_ZIP):
            content = self._read_bundle()
        elif start == _SQLITE:
            content = self._read_session()
        else:
            content = self._read_text(len(_BOM) if start.startswith(_BOM) else 0)
        content.calls = valid_calls(content.calls, self._reporter(content))
        return content

    def _reporter(self, content: CallFileContent) -> Callable[[Problem], None]:
        def report(problem: Problem) -> None:
            content.problems.append(f"{self._path}: {problem}")

        return report

    def _read_text(self, start: int) -> CallFileContent:
        self._file.seek(start)
        is_dump = looks_like_grpc_dump(self._lines(lambda _: None), self._limits.line)
        self._file.seek(start)
        if is_dump:
            content = CallFileContent("grpc-dump")
            report = self._reporter(content)
            content.calls = read_grpc_dump(self._lines(report), report, self._limits.line)
        else:
            content = CallFileContent("ndjson")
            content.calls = self._read_ndjson(content)
        return content

    def _lines(self, report: Callable[[Problem], None]) -> Iterator[bytes]:
        return limited_lines(self._file, self._limits.line, report)

    def _read_ndjson(self, content: CallFileContent) -> Iterator[Call]:
        report = self._reporter(content)
        seeds = _RunSeeds(content.fault_seeds)
        try:
            for line in read_lines(self._lines(report), report, seeds.start):
                if isinstance(line, Descriptors):
                    fetched_ns = parse_timestamp(line.fetched) if line.fetched else 0
                    content.descriptors.append(
                        StoredDescriptorSet(line.target, line.source, line.origin, fetched_ns, line.file_set)
                    )
                else:
                    seeds.add(line.id)
                    yield line
        except FormatError as error:
            raise LoomError(f"{self._path} cannot be read: {error}; {_FORMATS}") from error

    def _read_bundle(self) -> CallFileContent:
        bundle = BundleReader(self._file, str(self._path), self._limits)
        problems = [f"{self._path}: {problem}" for problem in bundle.problems]
        content = CallFileContent("bundle", descriptors=bundle.descriptors, problems=problems)
        content.fault_seeds.update(bundle.fault_seeds)
        content.calls = bundle.calls(self._reporter(content))
        return content

    def _read_session(self) -> CallFileContent:
        with SessionReader(self._path) as reader:
            content = CallFileContent(
                "session",
                descriptors=reader.descriptors(),
                masked=reader.masked(),
                fault_seeds=reader.fault_seeds(),
                problems=reader.damaged,
            )
        content.calls = self._read_session_calls(content)
        return content

    def _read_session_calls(self, content: CallFileContent) -> Iterator[Call]:
        with SessionReader(self._path) as reader:
            yield from reader.calls()
            content.problems += [problem for problem in reader.damaged if problem not in content.problems]
