"""The bytes of HTTP/2 frames of gRPC calls, as valid input for the parser."""

from collections.abc import Sequence
from typing import Any

from hpack import Encoder

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
PUSH_PROMISE = 5
END_STREAM, END_HEADERS, PADDED, PRIORITY = 0x1, 0x4, 0x8, 0x20

Pairs = Sequence[tuple[str, str | bytes]]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def promise(side: "Peer", stream: int, promised: int, pairs: Pairs) -> bytes:
    block = side.encoder.encode(list(pairs))
    return frame(PUSH_PROMISE, END_HEADERS, stream, promised.to_bytes(4, "big") + block)


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(
        SETTINGS, 0, 0, b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in pairs)
    )


def settings_ack() -> bytes:
    return frame(SETTINGS, 1, 0)


def message(payload: bytes, flag: int = 0) -> bytes:
    return bytes([flag]) + len(payload).to_bytes(4, "big") + payload


class Peer:
    """One peer, with an HPACK encoder."""

    def __init__(self) -> None:
        self.encoder = Encoder()

    def headers(
        self,
        stream: int,
        pairs: Pairs,
        *,
        end: bool = False,
        pieces: int = 1,
        padding: int = 0,
        priority: bool = False,
    ) -> bytes:
        block = self.encoder.encode(list(pairs))
        flags = END_STREAM if end else 0
        if pieces > 1:
            size = max(1, len(block) // pieces)
            parts = [block[:size], *(block[at : at + size] for at in range(size, len(block), size))]
            out = frame(HEADERS, flags, stream, parts[0])
            for number, part in enumerate(parts[1:], 2):
                out += frame(CONTINUATION, END_HEADERS if number == len(parts) else 0, stream, part)
            return out
        flags |= END_HEADERS
        if priority:
            flags |= PRIORITY
            block = b"\x00\x00\x00\x00\x10" + block
        if padding:
            flags |= PADDED
            block = bytes([padding]) + block + bytes(padding)
        return frame(HEADERS, flags, stream, block)

    def request(self, stream: int, path: str = "/a.B/C", extra: Pairs = (), **options: Any) -> bytes:
        pairs = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "shop.test"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", "test/1"),
            *extra,
        ]
        return self.headers(stream, pairs, **options)

    def response(self, stream: int, extra: Pairs = (), **options: Any) -> bytes:
        return self.headers(
            stream, [(":status", "200"), ("content-type", "application/grpc"), *extra], **options
        )

    def trailers(self, stream: int, status: str = "0", extra: Pairs = (), **options: Any) -> bytes:
        return self.headers(stream, [("grpc-status", status), *extra], end=True, **options)


def data(stream: int, payload: bytes, *, end: bool = False, padding: int = 0) -> bytes:
    flags = END_STREAM if end else 0
    if padding:
        flags |= PADDED
        payload = bytes([padding]) + payload + bytes(padding)
    return frame(DATA, flags, stream, payload)
