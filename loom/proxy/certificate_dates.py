"""When certificates are valid, as OpenSSL reads them.

Python's ssl module shows the fields of a certificate only where a peer has presented it in a handshake. So two ends in
memory make one, in which the certificate is its own root and its dates are not checked.
"""

import ssl
from datetime import UTC, datetime
from typing import NamedTuple

_NO_CHECK_TIME = 0x200000
"""``X509_V_FLAG_NO_CHECK_TIME``, which the ssl module does not name."""
_SOON = 14 * 86_400.0
_ROUNDS = 10


class Validity(NamedTuple):
    """From when to when a certificate is valid, in seconds since the epoch."""

    not_before: float
    not_after: float

    def problem(self, now: float) -> str:
        """What is wrong with it at that time, or will be within two weeks; "" if nothing is."""
        if now < self.not_before:
            return f"is not valid before {_date(self.not_before)}"
        if now > self.not_after:
            return f"expired on {_date(self.not_after)}"
        if now > self.not_after - _SOON:
            return f"expires on {_date(self.not_after)}"
        return ""

    def is_valid(self, now: float) -> bool:
        """Whether a peer accepts the certificate at that time."""
        return self.not_before <= now <= self.not_after


def leaf_validity(cert_file: str, key_file: str, *, of_client: bool) -> Validity:
    """When the first certificate of a file is valid. Raises :class:`ssl.SSLError` or :class:`OSError`."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    server.maximum_version = (
        ssl.TLSVersion.TLSv1_2
    )  # in which a client's certificate is part of the handshake
    server.load_cert_chain(cert_file, key_file)
    verifying = client
    if of_client:
        client.load_cert_chain(cert_file, key_file)
        verifying = server
    verifying.load_verify_locations(cert_file)
    verifying.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(_NO_CHECK_TIME)
    verifying.verify_mode = ssl.CERT_REQUIRED
    certificate = _handshake(server, client, of_client=of_client)
    return _validity(certificate["notBefore"], certificate["notAfter"])


def root_validities(ca: bytes) -> list[Validity]:
    """When the roots of a PEM file are valid."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ca.decode("ascii", "replace"))
    return [_validity(root["notBefore"], root["notAfter"]) for root in context.get_ca_certs()]


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, *, of_client: bool) -> dict[str, str]:
    """The certificate of one end, as the other end sees it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_end = server.wrap_bio(to_server, to_client, server_side=True)
    client_end = client.wrap_bio(to_client, to_server)
    for _ in range(_ROUNDS):
        waiting = 0
        for end in (client_end, server_end):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                waiting += 1
        if not waiting:
            break
    return (server_end if of_client else client_end).getpeercert() or {}  # type: ignore[return-value]


def _validity(not_before: object, not_after: object) -> Validity:
    return Validity(ssl.cert_time_to_seconds(str(not_before)), ssl.cert_time_to_seconds(str(not_after)))


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
