"""The suite's own messages, and how its programs exchange them on standard input and output.

The messages are compiled from the suite's .proto files, which are in the Go module cache: no copy is kept here.
"""

import functools
import importlib.resources
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import IO

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

HERE = Path(__file__).parent
GO = Path(sysconfig.get_path("scripts")) / "go"
MODULE = "connectrpc.com/conformance"
PACKAGE = "connectrpc.conformance.v1"
_PREFIX_SIZE = 4  # bytes, big-endian


@functools.cache
def module_directory() -> Path:
    """Where the suite's source is, in the Go module cache."""
    command = [str(GO), "list", "-mod=mod", "-m", "-f", "{{.Dir}}", MODULE]
    subprocess.run([GO, "mod", "download", MODULE], cwd=HERE, check=True)
    return Path(subprocess.run(command, cwd=HERE, check=True, capture_output=True, text=True).stdout.strip())


def build_programs(directory: Path) -> None:
    """Build the suite's programs into a directory; fast if Go's build cache has them."""
    directory.mkdir(parents=True, exist_ok=True)
    subprocess.run([GO, "build", "-o", f"{directory}/", "tool"], cwd=HERE, check=True)


class Messages:
    """The message classes of a serialised descriptor set, by name."""

    def __init__(self, file_set: bytes) -> None:
        self.pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(file_set).file:
            self.pool.Add(file)

    def type(self, name: str) -> type[Message]:
        """The class of a message of the suite's package."""
        descriptor = self.pool.FindMessageTypeByName(f"{PACKAGE}.{name}")
        return message_factory.GetMessageClass(descriptor)


def compile_messages() -> bytes:
    """A serialised descriptor set of the suite's messages and all of their imports."""
    from grpc_tools import protoc  # the parties need not wait for it

    root = module_directory() / "proto"
    include = importlib.resources.files("grpc_tools") / "_proto"
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "set"
        files = sorted(str(path) for path in root.rglob("*.proto"))
        arguments = [
            "protoc",
            f"-I{root}",
            f"-I{include}",
            "--include_imports",
            f"--descriptor_set_out={out}",
        ]
        if protoc.main([*arguments, *files]):
            raise RuntimeError(f"the .proto files in {root} do not compile")
        return out.read_bytes()


def read_frame(stream: IO[bytes]) -> bytes | None:
    """The next serialised message; None at the end."""
    prefix = stream.read(_PREFIX_SIZE)
    if len(prefix) < _PREFIX_SIZE:
        return None
    return stream.read(int.from_bytes(prefix, "big"))


def write_frame(stream: IO[bytes], data: bytes) -> None:
    """Write one serialised message, at once."""
    stream.write(len(data).to_bytes(_PREFIX_SIZE, "big") + data)
    stream.flush()
