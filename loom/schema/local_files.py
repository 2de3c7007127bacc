"""Load descriptors from this machine: ``.proto`` files, folders of them, and descriptor sets."""

import re
from collections.abc import Sequence
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError

from .descriptor_index import DescriptorIndex
from .protoc import ProtocError, compile_protos

PROTO_FILES, DESCRIPTOR_SETS, UPLOADED_FILES = "proto files", "descriptor sets", "attached files"
"""The names of the sources."""
MAX_ATTEMPTS = 100
_ERROR_LINE = re.compile(r"^(?P<file>[^\s:]+\.proto):(?:\d+:\d+:)? ?(?P<text>.*)$")


def load_descriptor_sets(paths: Sequence[Path]) -> tuple[DescriptorIndex, list[str]]:
    """The descriptors of descriptor sets, and a line for each set that cannot be read."""
    index, problems = DescriptorIndex(), []
    for path in paths:
        try:
            descriptor_set = FileDescriptorSet.FromString(path.read_bytes())
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
        except DecodeError:
            problems.append(f"{path}: not a descriptor set: make one with protoc --descriptor_set_out")
        else:
            index.add(descriptor_set.file, str(path))
    return index, problems


def load_protos(
    paths: Sequence[Path], import_paths: Sequence[Path] = (), *, max_attempts: int = MAX_ATTEMPTS
) -> tuple[DescriptorIndex, list[str]]:
    """The descriptors of ``.proto`` files and folders, and a line for each file that does not compile.

    protoc may stop at the first broken file: it is run again without it, at most ``max_attempts`` times.
    """
    index, problems = DescriptorIndex(), []
    for path in paths:
        if not path.exists():
            problems.append(f"{path}: no such file or folder")
            continue
        folder = path if path.is_dir() else path.parent
        protos = [path]
        if path.is_dir():  # folders may be named like files
            protos = sorted(found for found in path.rglob("*.proto") if found.is_file())
        if not protos:
            problems.append(f"{path}: no .proto file in this folder")
            continue
        compiled, compile_problems = _compile_valid(protos, [*import_paths, folder], max_attempts)
        index.add(compiled.file, str(path))
        problems += compile_problems
    return index, problems


def _compile_valid(
    protos: list[Path], import_paths: list[Path], max_attempts: int
) -> tuple[FileDescriptorSet, list[str]]:
    """Compile the files that compile; leave out those that protoc reports, until it reports none."""
    problems: list[str] = []
    remaining = protos
    for _ in range(max_attempts):
        try:
            return compile_protos(remaining, import_paths), problems
        except ProtocError as error:
            reported = _reported_files(error, remaining, import_paths)
            problems += reported.values()
            remaining = [proto for proto in remaining if proto not in reported]
            if not remaining:
                return FileDescriptorSet(), problems
    return FileDescriptorSet(), [*problems, f"{len(remaining)} more files were left out: repair these first"]


def _reported_files(error: ProtocError, protos: list[Path], import_paths: list[Path]) -> dict[Path, str]:
    """The files that an error is about, each with its first line; all files if it names none of them."""
    by_name = {proto.as_posix(): proto for proto in protos}
    for folder in import_paths:
        for proto in protos:
            if proto.is_relative_to(folder):
                by_name.setdefault(proto.relative_to(folder).as_posix(), proto)
    reported: dict[Path, str] = {}
    for line in error.lines:
        match = _ERROR_LINE.match(line)
        reported_file = by_name.get(match["file"]) if match else None
        if reported_file is not None:
            hint = "; say where it is with --import-path" if "File not found" in str(error) else ""
            reported.setdefault(reported_file, f"{line}{hint}")
    return reported or dict.fromkeys(protos, str(error))
