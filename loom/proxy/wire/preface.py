"""The client's first bytes: HTTP/2's preface (RFC 9113, section 3.4), or what says that it speaks something else."""

from .frames import NotFollowedError

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Preface:
    """Takes the preface off what a client sends; ``whole`` once all of it was there."""

    __slots__ = ("_seen", "whole")

    def __init__(self) -> None:
        self.whole = False
        self._seen = b""

    def taken_off(self, chunk: bytes) -> bytes:
        """What follows the preface; :class:`NotFollowedError` names what came in its place."""
        missing = len(PREFACE) - len(self._seen)
        self._seen += chunk[:missing]
        rest = chunk[missing:]
        if not PREFACE.startswith(self._seen):
            raise NotFollowedError(_what_else(self._seen + rest))
        self.whole = len(self._seen) == len(PREFACE)
        return rest


def _what_else(start: bytes) -> str:
    """What a connection is whose first bytes are not HTTP/2's."""
    if start[:2] == b"\x16\x03":
        return "it is TLS, which Loom can only look into with --listen-cert and --listen-key"
    line = start.split(b"\r\n", 1)[0]
    if line.rpartition(b" ")[2].startswith(b"HTTP/1"):
        if b"h2c" in start.lower():
            return "it began as HTTP/1.1 with an upgrade to h2c; use HTTP/2 with prior knowledge"
        return "it is HTTP/1.1"
    return "it does not begin as HTTP/2 does"
