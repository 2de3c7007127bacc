"""Certificates for tests, made when they are asked for."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, in PEM form and as files."""

    cert_file: Path
    key_file: Path

    @property
    def cert(self) -> bytes:
        return self.cert_file.read_bytes()

    @property
    def key(self) -> bytes:
        return self.key_file.read_bytes()

    def encrypted_key(self, password: bytes) -> bytes:
        """The same key, for those who know the password."""
        key = serialization.load_pem_private_key(self.key, None)
        return key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password),
        )


class Authority:
    """A certificate authority in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._authority = trustme.CA()

    @property
    def cert(self) -> bytes:
        return self._authority.cert_pem.bytes()

    def issue(
        self,
        name: str,
        *names: str,
        not_before: dt.datetime | None = None,
        not_after: dt.datetime | None = None,
    ) -> Pair:
        """A certificate for ``names`` (DNS names or IP addresses; ``name`` if none), signed by this authority."""
        issued = self._authority.issue_cert(
            *(names or (name,)), common_name=name, not_before=not_before, not_after=not_after
        )
        pair = Pair(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        issued.private_key_pem.write_to_path(pair.key_file)
        (certificate,) = issued.cert_chain_pems
        certificate.write_to_path(pair.cert_file)
        return pair
