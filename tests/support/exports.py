"""Exports of recorded calls, and their comparison with what they came from."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from loom.decoding.stored_schema import StoredSchema
from loom.formats import get_writer
from loom.formats.call_file import CallFile
from loom.formats.destination import Destination
from loom.model import Address, Call, Endpoint, Secrets
from tests.support.session_files import stored_schema


def export(
    kind: str,
    calls: list[Call],
    *,
    reveal: bool = False,
    target: str = "",
    destination: Destination | None = None,
    schema: StoredSchema | None = None,
    fault_seeds: Mapping[int, int] = MappingProxyType({}),
) -> bytes:
    """A file of a format, for ``target`` or ``destination`` if one is given."""
    secrets = None if reveal else Secrets()
    write = get_writer(kind)
    sent_to = destination or _destination(target)
    return b"".join(write(calls, schema or stored_schema(), secrets, sent_to, fault_seeds))


def imported(path: Path) -> tuple[list[Call], list[str]]:
    """The calls of a file, and what is wrong with it."""
    with CallFile(path) as file:
        incoming = file.read()
        calls = list(incoming.calls)
        return calls, incoming.problems


def assert_same(found: list[Call], wanted: list[Call]) -> None:
    """Equal in everything that a file keeps."""
    assert len(found) == len(wanted)
    for left, right in zip(found, wanted, strict=True):
        assert list(left.messages) == list(right.messages)
        left.messages, left.version, left.restored = right.messages, right.version, right.restored
        assert left == right


def _destination(target: str) -> Destination:
    return Destination(Endpoint(Address.parse(target), tls=None), override=True) if target else Destination()


def bomb(size: int) -> bytes:
    """A bundle with one line of ``size`` bytes, which is a hundredth of a percent of that."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("calls.ndjson", b'{"type":"call","note":"' + b"a" * size)
        archive.writestr("manifest.json", b'{"format":"loom-bundle","version":1}')
    return out.getvalue()
