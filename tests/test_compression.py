"""gzip, deflate and zstd are undone, within a bound."""

import gzip
import zlib
from collections.abc import Callable
from typing import Any

import cramjam
import pytest
import zstandard

from loom import compression
from loom.compression import CompressionError, decompress

DATA = b"the quick brown fox " * 50


def raw_deflate(data: bytes) -> bytes:
    maker = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return maker.compress(data) + maker.flush()


COMPRESSED = {
    "gzip": gzip.compress(DATA),
    "deflate": zlib.compress(DATA),
    "zstd": zstandard.compress(DATA),
}


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_what_peers_use_is_undone(encoding: str) -> None:
    assert decompress(COMPRESSED[encoding], encoding) == DATA


def test_raw_deflate_that_some_peers_call_deflate() -> None:
    assert decompress(raw_deflate(DATA), "deflate") == DATA


@pytest.mark.parametrize("encoding", ["", "identity"])
def test_nothing_to_undo(encoding: str) -> None:
    assert decompress(DATA, encoding) == DATA


def test_several_members_and_frames() -> None:
    assert decompress(COMPRESSED["gzip"] * 3, "gzip") == DATA * 3
    assert decompress(COMPRESSED["zstd"] * 3, "zstd") == DATA * 3


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_a_bomb_is_refused_at_the_bound(encoding: str) -> None:
    compressors: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "zstd": zstandard.compress,
    }
    bomb = compressors[encoding](bytes(10_000_000))
    with pytest.raises(CompressionError, match="more than 1000000 bytes"):
        decompress(bomb, encoding, 1_000_000)
    assert len(decompress(bomb, encoding, 10_000_000)) == 10_000_000


def test_a_bomb_of_many_members_is_refused() -> None:
    with pytest.raises(CompressionError, match="members"):
        decompress(gzip.compress(b"") * 1000, "gzip")


@pytest.mark.parametrize("encoding", COMPRESSED)
@pytest.mark.parametrize(
    "damage", [lambda data: data[:-6], lambda data: b"\1\2\3" + data], ids=["cut", "garbage"]
)
def test_damaged_data_is_refused(encoding: str, damage: Callable[..., Any]) -> None:
    with pytest.raises(CompressionError):
        decompress(damage(COMPRESSED[encoding]), encoding)


@pytest.mark.parametrize(
    ("encoding", "codec"), [("br", cramjam.brotli), ("snappy", cramjam.snappy), ("lz4", cramjam.lz4)]
)
@pytest.mark.parametrize("data", [b"", b"hi", b"x" * 10_000_000], ids=["empty", "short", "long"])
def test_encodings_of_the_extra(encoding: str, codec: Any, data: bytes) -> None:
    compressed = bytes(codec.compress(data))
    assert decompress(compressed, encoding) == data
    if len(data) > 1_000:
        with pytest.raises(CompressionError, match="more than 1000 bytes") as caught:
            decompress(compressed, encoding, 1_000)
        assert caught.value.too_large
    for damaged in (compressed[:-1], b"garbage") if data else (b"garbage",):
        with pytest.raises(CompressionError, match=f"not valid {encoding}"):
            decompress(damaged, encoding)


def test_snappy_without_frames() -> None:
    compressed = bytes(cramjam.snappy.compress_raw(b"x" * 5_000))
    assert decompress(compressed, "snappy") == b"x" * 5_000
    with pytest.raises(CompressionError, match="more than 1000 bytes"):
        decompress(compressed, "snappy", 1_000)


@pytest.mark.parametrize("encoding", ["br", "snappy", "lz4"])
def test_without_the_extra_the_error_says_how_to_install_it(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compression, "cramjam", None)
    with pytest.raises(CompressionError, match=r"pip install 'loom-grpc\[encodings\]'") as caught:
        decompress(b"?", encoding)
    assert caught.value.unsupported


def test_an_unknown_encoding_is_named() -> None:
    with pytest.raises(
        CompressionError, match="'lzma' is not supported: gzip, deflate, zstd, br, snappy and lz4 are"
    ):
        decompress(DATA, "lzma")
