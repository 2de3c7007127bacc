"""The client's connection preface (RFC 9113, section 3.4), and what came in its place."""

from .frames import ParseError

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Preface:
    """Strips the preface from a client's bytes; ``complete`` once all of it has been received."""

    __slots__ = ("_received", "complete")

    def __init__(self) -> None:
        self.complete = False
        self._received = b""

    def strip(self, chunk: bytes) -> bytes:
        """The bytes behind the preface; :class:`ParseError` names the protocol if it is not HTTP/2."""
        missing = len(PREFACE) - len(self._received)
        self._received += chunk[:missing]
        remainder = chunk[missing:]
        if not PREFACE.startswith(self._received):
            raise ParseError(_describe_protocol(self._received + remainder))
        self.complete = len(self._received) == len(PREFACE)
        return remainder


def _describe_protocol(start: bytes) -> str:
    """The protocol of a connection that does not start with the preface."""
    if start[:2] == b"\x16\x03":
        return "it is TLS, which Loom can only decrypt with --listen-cert and --listen-key"
    line = start.split(b"\r\n", 1)[0]
    if line.rpartition(b" ")[2].startswith(b"HTTP/1"):
        if b"h2c" in start.lower():
            return "it began as HTTP/1.1 with an upgrade to h2c; use HTTP/2 with prior knowledge"
        return "it is HTTP/1.1"
    return "it does not begin as HTTP/2 does"
