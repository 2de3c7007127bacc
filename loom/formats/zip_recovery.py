"""An archive that was cut short, by a download or a copy that broke off: what is left of it, as one that opens.

The directory of a ZIP archive is at its end. Without it, each file's own header, ahead of its bytes, still tells
what it is. Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, section 4.3.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import BinaryIO

_HEADER = struct.Struct(
    "<4s4xH16xHH"
)  # signature, method of compression, lengths of the name and of what follows it
_SIGNATURE = b"PK\x03\x04"
_DEFLATED = 8
_PIECE = 256 * 1024
_MOST_BETWEEN = 64  # bytes between a file's end and the next header: a data descriptor has 24 at most


def mended(file: BinaryIO) -> tuple[BinaryIO, str]:
    """A whole archive of all that can be read, and the name of the file that breaks off ("" if none does).

    Only files that are compressed as Loom does it are looked for.
    """
    out = io.BytesIO()  # as large as what was cut
    position: int | None = 0
    name = ""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        while position is not None:
            file.seek(position)
            head = file.read(_HEADER.size)
            if len(head) < _HEADER.size:
                break
            signature, method, name_length, extra_length = _HEADER.unpack(head)
            if signature != _SIGNATURE or method != _DEFLATED:
                break
            name = file.read(name_length).decode("utf-8", "replace")
            file.seek(extra_length, 1)
            with archive.open(name, "w", force_zip64=True) as entry:
                position = _inflate(file, entry.write)
    out.seek(0)
    return out, name if position is None else ""


def _inflate(file: BinaryIO, write: Callable[[bytes], object]) -> int | None:
    """Write what is compressed from here on; where the next file's header is, or None if this one breaks off."""
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    while not inflating.eof:
        piece = file.read(_PIECE)
        try:
            write(inflating.decompress(piece))
        except zlib.error:
            return None
        if not piece:
            return None
    end = file.tell() - len(inflating.unused_data)
    file.seek(end)
    return end + max(file.read(_MOST_BETWEEN).find(_SIGNATURE), 0)
