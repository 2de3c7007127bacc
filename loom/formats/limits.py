"""Limits on what an imported file may unpack to, and reading lines within them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from loom.errors import LoomError
from loom.recording.ndjson import Problem

_SKIP_BYTES = 1024 * 1024


class FileTooLargeError(LoomError):
    """A file unpacks to more than the limit."""


@dataclass(frozen=True, slots=True)
class ImportLimits:
    """Limits in bytes.

    ``line`` is for one line, or one JSON object over several lines: a call. ``member`` is for a bundle's manifest or
    one of its descriptor sets, ``unpacked`` for all members of a bundle together.
    """

    line: int = 256 * 1024 * 1024
    member: int = 64 * 1024 * 1024
    unpacked: int = 16 * 1024 * 1024 * 1024


DEFAULT_LIMITS = ImportLimits()


def limited_lines(file: IO[bytes], limit: int, problem: Callable[[Problem], None]) -> Iterator[bytes]:
    """Yield the lines of a file; one longer than ``limit`` is reported and replaced by an empty line."""
    number = 0
    while line := file.readline(limit + 1):
        number += 1
        if len(line) <= limit:
            yield line
            continue
        problem(Problem(number, f"the line is longer than {limit} bytes"))
        while line and not line.endswith(b"\n"):
            line = file.readline(_SKIP_BYTES)
        yield b"\n"
