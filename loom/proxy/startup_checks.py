"""Checks of host names and certificates before an engine starts.

grpcio reports a name that does not resolve and a key that does not match its
certificate in the same way (a ``RuntimeError`` and a page of log). These checks ask the
resolver and OpenSSL directly, so that the error names the reason.
"""

import contextlib
import os
import socket
import ssl
import tempfile
from pathlib import Path

from loom.errors import StartError
from loom.model import Address

from .engine import ServerTls, TargetTls
from .trust import root_certificates


def check_resolvable(address: Address, *, setting: str = "--target") -> None:
    """Raise :class:`StartError` if the host of ``address`` does not exist.

    A temporary failure of the resolver is not an error: the target may come up later.
    """
    if address.unix_path:
        return
    try:
        socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            return
        raise StartError(
            f"{setting} {address}: {address.host!r} cannot be resolved ({error.strerror}): check the host name"
        ) from error


def check_server_tls(tls: ServerTls) -> None:
    """Raise :class:`StartError` if the listening side's certificate, key or client CA is invalid."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _check_pair(context, tls.cert, tls.key, "--listen-cert", "--listen-key")
    if tls.client_ca is not None:
        _check_ca(context, tls.client_ca, "--listen-client-ca")


def check_target_tls(tls: TargetTls) -> None:
    """Raise :class:`StartError` if the client certificate, its key or the roots for the target are invalid."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if (tls.cert is None) != (tls.key is None):
        present, missing = ("--key", "--cert") if tls.cert is None else ("--cert", "--key")
        raise StartError(f"{present} is given without {missing}: a client certificate needs both")
    if tls.cert is not None and tls.key is not None:
        _check_pair(context, tls.cert, tls.key, "--cert", "--key")
    if tls.ca is not None:
        _check_ca(context, tls.ca, "--cacert")
    if not tls.insecure:
        root_certificates(tls.ca)


def _check_pair(context: ssl.SSLContext, cert: bytes, key: bytes, cert_flag: str, key_flag: str) -> None:
    # The ssl module reads pairs from files only: they exist in a private directory (0700) for a moment.
    with tempfile.TemporaryDirectory(prefix="loom-") as directory:
        cert_file, key_file = Path(directory, "cert.pem"), Path(directory, "key.pem")
        for file, content in ((cert_file, cert), (key_file, key)):
            with os.fdopen(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb") as out:
                out.write(content)
        try:
            context.load_cert_chain(cert_file, key_file, password=_refuse_password)
        except (ssl.SSLError, ValueError) as error:
            raise StartError(_pair_error(error, cert_flag, key_flag)) from error


def _refuse_password() -> str:
    raise ValueError("the key is encrypted")


def _pair_error(error: Exception, cert_flag: str, key_flag: str) -> str:
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return f"{key_flag} does not belong to {cert_flag}: give the private key of that certificate"
    if isinstance(error, ValueError):
        return f"{key_flag} is encrypted: give it without a passphrase"
    return f"{cert_flag} or {key_flag} is not a certificate and key in PEM form: check both files"


def _check_ca(context: ssl.SSLContext, ca: bytes, flag: str) -> None:
    with contextlib.suppress(UnicodeDecodeError, ssl.SSLError):
        context.load_verify_locations(cadata=ca.decode("ascii"))
        if context.cert_store_stats()["x509_ca"] or context.cert_store_stats()["x509"]:
            return
    raise StartError(f"{flag} contains no certificate in PEM form: check the file")
