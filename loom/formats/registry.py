"""The export formats by name."""

from collections.abc import Callable, Iterable, Iterator, Mapping
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

Writer = Callable[
    [Iterable[Call], StoredSchema, Secrets | None, Destination, Mapping[int, int]], Iterator[bytes]
]
"""Arguments: calls, their schema, the secrets to mask (None masks nothing), where to send the calls again, and the
seeds of rules and faults by the id of the first call that each is of."""


@dataclass(frozen=True, slots=True)
class Format:
    """An export format: the suffix and media type of its files, and its writer."""

    name: str
    suffix: str
    media_type: str
    write: Writer
    summary: str


FORMATS = {
    kind.name: kind
    for kind in (
        Format("ndjson", ".ndjson", "application/x-ndjson", write_ndjson, "Loom's NDJSON: nothing is lost"),
        Format("har", ".har", "application/json", write_har, "HAR 1.2, for browsers and HTTP tools"),
        Format(
            "grpc-dump", ".json", "application/json", write_grpc_dump, "as grpc-tools' grpc-dump writes it"
        ),
        Format("grpcurl", ".sh", "text/x-shellscript", write_script, "a shell script of grpcurl commands"),
        Format("pytest", ".py", "text/x-python", write_pytest, "a pytest file that makes the calls again"),
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
    """The writer of a format. Raises :class:`LoomError` for an unknown name."""
    if name not in FORMATS:
        raise LoomError(f"{name!r} is not an export format: choose {', '.join(FORMATS)}")
    return FORMATS[name].write
