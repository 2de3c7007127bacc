"""Recorded calls as files of Loom and of other tools, written and read (docs/reference/format.md).

A writer is a function from calls to the chunks of a file. Every writer masks secrets.

* :mod:`~loom.formats.registry`: the export formats by name.
* :mod:`~loom.formats.destination`: where the calls of an exported script or test are sent.
* :mod:`~loom.formats.ndjson`: writes Loom's NDJSON, with descriptor sets.
* :mod:`~loom.formats.har`: writes HAR 1.2, with messages and trailers.
* :mod:`~loom.formats.grpc_dump`: writes the JSON of grpc-tools' grpc-dump.
* :mod:`~loom.formats.grpcurl_script`: writes a shell script of grpcurl commands.
* :mod:`~loom.formats.pytest_file`: writes a pytest file that makes the calls again.
* :mod:`~loom.formats.bundle`: writes a bundle: calls, schema and timing in one ZIP archive.
* :mod:`~loom.formats.alterations`: what an export says of calls that rules or faults altered.
* :mod:`~loom.formats.call_file`: reads any file of calls.
* :mod:`~loom.formats.bundle_reader`: reads a bundle.
* :mod:`~loom.formats.zip_recovery`: recovers a ZIP archive that was cut short.
* :mod:`~loom.formats.grpc_dump_reader`: reads the JSON of grpc-dump.
* :mod:`~loom.formats.parent_order`: orders calls, a replay after the call that it repeats.
* :mod:`~loom.formats.limits`: how much an imported file may unpack to.
* :mod:`~loom.formats.call_validation`: checks the numbers of imported calls.
"""

from .registry import FORMATS, Format, get_writer

__all__ = ["FORMATS", "Format", "get_writer"]
