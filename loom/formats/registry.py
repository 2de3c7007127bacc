"""The export formats by name."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from loom.decoding.stored_schema import StoredSchema
from loom.errors import LoomError
from loom.model import Call, Secrets

from .bundle import write_bundle
from .destination import Destination
from .grpc_dump import write_grpc_dump
from .grpcurl_script import write_script
from .har import write_har
from .ndjson import write_ndjson
from .pytest_file import write_pytest

Writer = Callable[[Iterable[Call], StoredSchema, Secrets | None, Destination], Iterator[bytes]]
"""Calls, what describes them, the secrets to mask (None: none) and where to send the calls again → the file."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format: how its files are named and typed, and what writes them."""

    name: str
    suffix: str
    media_type: str
    write: Writer
    summary: str


FORMATS = {
    kind.name: kind
    for kind in (
        Format(
            "ndjson", ".ndjson", "application/x-ndjson", write_ndjson, "Loom's own lines: nothing is lost"
        ),
        Format("har", ".har", "application/json", write_har, "HAR 1.2, for browsers and HTTP tools"),
        Format(
            "grpc-dump", ".json", "application/json", write_grpc_dump, "as grpc-tools' grpc-dump writes it"
        ),
        Format("grpcurl", ".sh", "text/x-shellscript", write_script, "a shell script of grpcurl commands"),
        Format("pytest", ".py", "text/x-python", write_pytest, "a test file that makes the calls again"),
        Format(
            "bundle",
            ".loom.zip",
            "application/zip",
            write_bundle,
            "one file for 'loom open', with the schema",
        ),
    )
}


def get_writer(name: str) -> Writer:
    """What writes a format; :class:`LoomError` says which there are."""
    if name not in FORMATS:
        raise LoomError(f"there is no export format {name!r}: choose {', '.join(FORMATS)}")
    return FORMATS[name].write
