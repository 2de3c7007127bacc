"""Recorded calls as files that other tools read: docs/format.md.

Each format is a function from calls to the file's bytes, piece by piece; secrets are masked in all of them.

* :mod:`~loom.formats.ndjson`: Loom's own lines.
* :mod:`~loom.formats.har`: HAR 1.2, with messages and trailers.
* :mod:`~loom.formats.grpc_dump`: what grpc-dump of grpc-tools writes; reads it, too.
* :mod:`~loom.formats.grpcurl_script`: a shell script of grpcurl commands.
* :mod:`~loom.formats.pytest_file`: a pytest file that makes the calls again.
* :mod:`~loom.formats.bundle`: everything in one file, to be opened offline; reads it, too.
* :mod:`~loom.formats.zip_recovery`: what is left of a bundle that was cut short.
* :mod:`~loom.formats.call_file`: any file of calls that Loom reads.
* :mod:`~loom.formats.registry`: the formats by name.
"""

from .registry import FORMATS, Format, get_writer

__all__ = ["FORMATS", "Format", "get_writer"]
