"""Recover a ZIP archive that was cut short by an interrupted download or copy.

The central directory of an archive is at its end. Without it, the local header before each member still describes it.
Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, section 4.3.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import BinaryIO

from .limits import FileTooLargeError

# signature, compression method, length of the name, length of the extra field
_LOCAL_HEADER = struct.Struct("<4s4xH16xHH")
_SIGNATURE = b"PK\x03\x04"
_DEFLATED = 8
_CHUNK_BYTES = 256 * 1024
_MAX_GAP = 64  # bytes between a member and the next header: a data descriptor has at most 24


def recover_archive(file: BinaryIO, max_bytes: int) -> tuple[BinaryIO, str]:
    """A complete archive of what can be read, and the name of the member that is cut ("" if none is).

    Only deflated members are recovered, as Loom writes them. Raises :class:`.limits.FileTooLargeError` if they inflate
    to more than ``max_bytes``.
    """
    out = io.BytesIO()  # about as large as the file
    position: int | None = 0
    name = ""
    budget = _Budget(max_bytes)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        while position is not None:
            file.seek(position)
            header = file.read(_LOCAL_HEADER.size)
            if len(header) < _LOCAL_HEADER.size:
                break
            signature, method, name_length, extra_length = _LOCAL_HEADER.unpack(header)
            if signature != _SIGNATURE or method != _DEFLATED:
                break
            name = file.read(name_length).decode("utf-8", "replace")
            file.seek(extra_length, 1)
            with archive.open(name, "w", force_zip64=True) as member:
                position = _inflate(file, member.write, budget)
    out.seek(0)
    return out, name if position is None else ""


class _Budget:
    """How many bytes may still be inflated."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = self._rest = max_bytes

    def spend(self, count: int) -> None:
        self._rest -= count
        if self._rest < 0:
            raise FileTooLargeError(f"it unpacks to more than {self._max_bytes} bytes")


def _inflate(file: BinaryIO, write: Callable[[bytes], object], budget: _Budget) -> int | None:
    """Inflate a member; the position of the next header, or None if the member is cut."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    data = b""
    while not inflater.eof:
        data = inflater.unconsumed_tail or file.read(_CHUNK_BYTES)
        try:
            inflated = inflater.decompress(data, _CHUNK_BYTES)
        except zlib.error:
            return None
        budget.spend(len(inflated))
        write(inflated)
        if not data:
            return None
    end = file.tell() - len(inflater.unused_data)
    file.seek(end)
    return end + max(file.read(_MAX_GAP).find(_SIGNATURE), 0)
