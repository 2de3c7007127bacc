"""Compiles ``.proto`` files with the protoc inside grpcio-tools: no compiler to install."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from loom.errors import LoomError
from loom.workers import run

_LONGEST = 60.0
_LOGGED = re.compile(r"[IWE]\d{4} \d\d")
# What grpc_tools.protoc itself adds, the well-known types that it ships, and google.api and google.rpc.
_PROTOC = (
    "import sys; from importlib.resources import files; from grpc_tools.protoc import main; "
    "import google.rpc; "
    "sys.exit(main([*sys.argv, '-I' + str(files('grpc_tools') / '_proto'), "
    "'-I' + str(files('google.rpc') / '..' / '..')]))"
)


class ProtocError(LoomError):
    """A file does not compile: ``lines`` are protoc's own, which name file, line and column."""

    def __init__(self, *lines: str) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


def compile_protos(protos: Iterable[Path], import_paths: Sequence[Path] = ()) -> FileDescriptorSet:
    """Compile files together with all that they import.

    Imports are looked for in ``import_paths`` (default: each file's own folder) and among the well-known
    types, google.api and google.rpc. The answer lists imports before what imports them, without source
    locations. Runs in a process of its own, because protoc writes its complaints to the process's stderr; takes
    about 0.2 s.
    """
    protos = [Path(proto) for proto in protos]
    paths = list(dict.fromkeys(import_paths)) or list(dict.fromkeys(proto.parent for proto in protos))
    with tempfile.TemporaryDirectory(prefix="loom-protoc-") as folder:
        out = Path(folder) / "set.bin"
        arguments = [*(f"-I{path}" for path in paths), f"--descriptor_set_out={out}", "--include_imports"]
        try:
            done = run([sys.executable, "-c", _PROTOC, *arguments, *map(str, protos)], timeout=_LONGEST)
        except subprocess.TimeoutExpired:
            raise ProtocError(f"compiling took longer than {_LONGEST:.0f} s") from None
        if done.returncode != 0 or not out.is_file():
            raise ProtocError(*_readable(done.stderr) or [f"protoc failed on {', '.join(map(str, protos))}"])
        return FileDescriptorSet.FromString(out.read_bytes())


def _readable(text: str) -> list[str]:
    """protoc's errors without its warnings, and without what its logging library says."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and "warning:" not in line.lower() and not _LOGGED.match(line)]
