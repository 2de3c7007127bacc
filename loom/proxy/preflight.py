"""What can be wrong with an address or a certificate, found out before an engine starts.

grpcio reports a port in use, a name that does not resolve and a key that does not match its
certificate all in the same way (a ``RuntimeError`` and a page of log). These checks ask the
operating system and OpenSSL directly, so that the person at the terminal gets the reason.
"""

import contextlib
import errno
import os
import socket
import ssl
import tempfile
from pathlib import Path

from loom.errors import StartError
from loom.model import Address

from .engine import ServerTls, TargetTls

_NO_SUCH_FAMILY = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
_REASONS = {
    errno.EADDRINUSE: "the port is in use: stop what listens there, or choose another port",
    errno.EACCES: "not permitted: choose a port above 1023",
    errno.EADDRNOTAVAIL: "no interface of this machine has that address",
}


def bindable_hosts(address: Address, *, what: str = "--listen") -> tuple[str, ...]:
    """The hosts of ``address`` that this machine can listen on, each tried once.

    ``localhost`` stands for both loopback addresses; where the machine has no IPv6 loopback,
    the IPv4 one is enough. Raises :class:`StartError` with the reason when one cannot be had.
    """
    hosts: list[str] = []
    for host in address.bind_hosts:
        try:
            _try_to_bind(host, address.port)
        except socket.gaierror as error:
            raise StartError(
                f"{what} {address}: {host!r} cannot be resolved ({error.strerror}): check the host name"
            ) from error
        except OSError as error:
            if hosts and error.errno in _NO_SUCH_FAMILY:
                continue
            reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
            raise StartError(f"cannot listen on {Address(host, address.port)} ({what}): {reason}") from error
        hosts.append(host)
    return tuple(hosts)


def _try_to_bind(host: str, port: int) -> None:
    family, kind, _, _, where = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind) as probe:
        # As the engines do it: a port in TIME_WAIT may be taken, one with a listener may not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        probe.bind(where)
        probe.listen(1)


def check_resolvable(address: Address, *, what: str = "--target") -> None:
    """Raise :class:`StartError` if nobody knows the host of ``address``.

    A resolver that is only out of reach for now is no error: the target may come later.
    """
    try:
        socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            return
        raise StartError(
            f"{what} {address}: {address.host!r} cannot be resolved ({error.strerror}): check the host name"
        ) from error


def check_server_tls(tls: ServerTls) -> None:
    """Raise :class:`StartError` if the listening side's certificate, key or client CA cannot work."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _check_pair(context, tls.cert, tls.key, "--listen-cert", "--listen-key")
    if tls.client_ca is not None:
        _check_ca(context, tls.client_ca, "--listen-client-ca")


def check_target_tls(tls: TargetTls) -> None:
    """Raise :class:`StartError` if what Loom is to present to, or expect of, the target cannot work."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if (tls.cert is None) != (tls.key is None):
        given, missing = ("--key", "--cert") if tls.cert is None else ("--cert", "--key")
        raise StartError(f"{given} is given without {missing}: a client certificate needs both")
    if tls.cert is not None and tls.key is not None:
        _check_pair(context, tls.cert, tls.key, "--cert", "--key")
    if tls.ca is not None:
        _check_ca(context, tls.ca, "--cacert")


def _check_pair(context: ssl.SSLContext, cert: bytes, key: bytes, cert_flag: str, key_flag: str) -> None:
    # OpenSSL's binding reads pairs from files only: they live in a directory of our own (0700) for a moment.
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
    raise StartError(f"{flag} holds no certificate in PEM form: check the file")
