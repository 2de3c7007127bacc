"""Which metadata is forwarded."""

from loom.grpc_core.custom_metadata import filter_metadata, from_core


def test_order_repetition_and_bytes_are_kept() -> None:
    metadata = (("k", "1"), ("b-bin", b"\x00\xff"), ("k", "2"), ("empty", ""))
    assert filter_metadata(metadata) == (metadata, "")
    assert from_core(iter(metadata)) == metadata
    assert from_core(None) == ()


def test_headers_of_one_connection_are_not_forwarded() -> None:
    metadata = (("user-agent", "x"), ("grpc-accept-encoding", "gzip"), ("grpc-encoding", "gzip"), ("k", "v"))
    assert filter_metadata(metadata) == ((("k", "v"),), "")


def test_invalid_text_values_are_dropped_and_named() -> None:
    items, note = filter_metadata((("tab", "a\tb"), ("ok", "yes"), ("umlaut", "grün")))
    assert items == (("ok", "yes"),)
    assert note.startswith("not forwarded, as gRPC allows only printable ASCII")
    assert note.endswith("tab, umlaut")
