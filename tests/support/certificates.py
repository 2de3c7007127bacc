"""Certificates for tests, made by the machine's openssl when they are asked for."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


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


class Authority:
    """A certificate authority in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.root = self._pair("ca")
        self._openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(self.root.key_file), "-out", str(self.root.cert_file), "-days", "30"),
            *("-subj", "/CN=zoo authority"),
        )

    @property
    def cert(self) -> bytes:
        return self.root.cert

    def issue(self, name: str, *names: str) -> Pair:
        """A certificate for ``names`` (DNS names or IP addresses; ``name`` if none), signed by this authority."""
        pair = self._pair(name)
        request, extensions = self._directory / f"{name}.csr", self._directory / f"{name}.ext"
        kinds = (f"{'IP' if entry[0].isdigit() else 'DNS'}:{entry}" for entry in names or (name,))
        extensions.write_text(f"subjectAltName={','.join(kinds)}\n")
        self._openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(pair.key_file), "-out", str(request), "-subj", f"/CN={name}"),
        )
        self._openssl(
            *("x509", "-req", "-in", str(request), "-CA", str(self.root.cert_file)),
            *("-CAkey", str(self.root.key_file), "-CAcreateserial", "-days", "30"),
            *("-extfile", str(extensions), "-out", str(pair.cert_file)),
        )
        return pair

    def _pair(self, name: str) -> Pair:
        return Pair(self._directory / f"{name}.pem", self._directory / f"{name}.key")

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(("openssl", *arguments), check=True, capture_output=True)
