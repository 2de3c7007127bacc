"""Compile ``.proto`` files with the protoc inside grpcio-tools: no compiler to install."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from loom.errors import LoomError
from loom.workers import run

TIMEOUT = 60.0
_LOG_LINE = re.compile(r"[IWE]\d{4} \d\d")
# What grpc_tools.protoc itself adds, the well-known types that it ships, and google.api and google.rpc.
_PROTOC = (
    "import sys; from importlib.resources import files; from grpc_tools.protoc import main; "
    "import google.rpc; "
    "sys.exit(main([*sys.argv, '-I' + str(files('grpc_tools') / '_proto'), "
    "'-I' + str(files('google.rpc') / '..' / '..')]))"
)


class ProtocError(LoomError):
    """Files do not compile; ``lines`` are the errors of protoc, which name file, line and column."""

    def __init__(self, *lines: str) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


def compile_protos(
    protos: Iterable[Path], import_paths: Sequence[Path] = (), *, timeout: float = TIMEOUT
) -> FileDescriptorSet:
    """Compile files and everything that they import; raises :class:`ProtocError`.

    Imports are searched for in ``import_paths`` (default: each file's own folder) and among the well-known types,
    google.api and google.rpc. The result lists imports first and has no source locations. protoc runs in a process of
    its own, for at most ``timeout`` seconds, because it writes its errors to stderr; it takes about 0.2 s.
    """
    protos = [Path(proto) for proto in protos]
    paths = list(dict.fromkeys(import_paths)) or list(dict.fromkeys(proto.parent for proto in protos))
    with tempfile.TemporaryDirectory(prefix="loom-protoc-") as folder:
        output = Path(folder) / "set.bin"
        arguments = [*(f"-I{path}" for path in paths), f"--descriptor_set_out={output}", "--include_imports"]
        try:
            result = run([sys.executable, "-c", _PROTOC, *arguments, *map(str, protos)], timeout=timeout)
        except subprocess.TimeoutExpired:
            raise ProtocError(f"compiling took longer than {timeout:.0f} s") from None
        if result.returncode != 0 or not output.is_file():
            raise ProtocError(*_errors(result.stderr) or [f"protoc failed on {', '.join(map(str, protos))}"])
        return FileDescriptorSet.FromString(output.read_bytes())


def _errors(text: str) -> list[str]:
    """The errors of protoc, without its warnings and without the lines of its logging library."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and "warning:" not in line.lower() and not _LOG_LINE.match(line)]
