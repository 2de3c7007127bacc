"""Recorded calls as files that other tools read: docs/format.md.

Each format is a function from calls to the file's bytes, piece by piece; secrets are masked in all of them.

* :mod:`~loom.actions.export.ndjson`: Loom's own lines.
* :mod:`~loom.actions.export.har`: HAR 1.2, with messages and trailers.
* :mod:`~loom.actions.export.grpcdump`: what grpc-dump of grpc-tools writes; reads it, too.
* :mod:`~loom.actions.export.script`: a shell script of grpcurl commands.
* :mod:`~loom.actions.export.replaytest`: a pytest file that makes the calls again.
* :mod:`~loom.actions.export.bundle`: everything in one file, to be opened offline; reads it, too.
* :mod:`~loom.actions.export.mending`: what is left of a bundle that was cut short.
* :mod:`~loom.actions.export.incoming`: any file of calls that Loom reads.
* :mod:`~loom.actions.export.formats`: the formats by name.
"""

from .formats import FORMATS, Format, writer_of

__all__ = ["FORMATS", "Format", "writer_of"]
