"""The certificates that a target is verified with: one answer for both engines, reflection and replays.

``--cacert`` alone if it is given. Else the file that ``GRPC_DEFAULT_SSL_ROOTS_FILE_PATH`` names, as in gRPC's own
clients; else ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, where set, in place of the system's file and directory, as in
OpenSSL and Go. A machine without any, such as a slim container, has the roots that come with grpcio.
"""

import importlib.resources
import os
import re
import ssl
from pathlib import Path

from loom.errors import StartError

from .engine import TargetTls

GRPC_ROOTS_VARIABLE = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
_FILE_VARIABLE = "SSL_CERT_FILE"

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def root_certificates(ca: bytes | None) -> bytes:
    """The trusted certificates in PEM form; ``ca`` if it is given. Raises :class:`StartError`."""
    if ca is not None:
        return ca
    if file := os.environ.get(GRPC_ROOTS_VARIABLE):
        return _read_file(Path(file), GRPC_ROOTS_VARIABLE)
    certificates: dict[bytes, None] = {}
    if file := os.environ.get(_FILE_VARIABLE):
        certificates.update(dict.fromkeys(_CERTIFICATE.findall(_read_file(Path(file), _FILE_VARIABLE))))
    paths = ssl.get_default_verify_paths()  # with what the variables say
    files = [Path(paths.cafile)] if paths.cafile else []
    if paths.capath:
        files += sorted(path for path in Path(paths.capath).iterdir() if path.is_file())
    for path in files:
        try:
            certificates.update(dict.fromkeys(_CERTIFICATE.findall(path.read_bytes())))
        except OSError:
            continue  # as OpenSSL does with a file of the directory that it may not read
    if not certificates:
        return importlib.resources.files("grpc").joinpath("_cython/_credentials/roots.pem").read_bytes()
    return b"\n".join([*certificates, b""])


def client_context(tls: TargetTls) -> ssl.SSLContext:
    """A context that connects to a target and verifies it, unless ``tls`` is insecure."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    # A server's own certificate can be given as the root, as C-core allows.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=root_certificates(tls.ca).decode("ascii", "replace"))
    return context


def _read_file(path: Path, variable: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StartError(f"{variable} {path}: {error.strerror}") from error
    if not _CERTIFICATE.search(content):
        raise StartError(f"{variable} {path} contains no certificate in PEM form: check the file")
    return content
