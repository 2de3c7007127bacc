"""Descriptors from this machine: ``.proto`` files, folders of them, and descriptor sets."""

import re
from collections.abc import Sequence
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError

from .descriptor_index import DescriptorIndex
from .protoc import ProtocError, compile_protos

PROTO_FILES, PROTOSETS, ATTACHED = "proto files", "descriptor sets", "attached files"
_MOST_ROUNDS = 100
_NAMED = re.compile(r"^(?P<file>[^\s:]+\.proto):(?:\d+:\d+:)? ?(?P<what>.*)$")


def load_descriptor_sets(paths: Sequence[Path]) -> tuple[DescriptorIndex, list[str]]:
    """Their files, and a line for each set that could not be read."""
    files, problems = DescriptorIndex(), []
    for path in paths:
        try:
            found = FileDescriptorSet.FromString(path.read_bytes())
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
        except DecodeError:
            problems.append(f"{path}: not a descriptor set: make one with protoc --descriptor_set_out")
        else:
            files.add(found.file, str(path))
    return files, problems


def load_protos(
    paths: Sequence[Path], import_paths: Sequence[Path] = ()
) -> tuple[DescriptorIndex, list[str]]:
    """Their files compiled, and a line for each that could not be."""
    files, problems = DescriptorIndex(), []
    for path in paths:
        if not path.exists():
            problems.append(f"{path}: no such file or folder")
            continue
        folder = path if path.is_dir() else path.parent
        protos = sorted(path.rglob("*.proto")) if path.is_dir() else [path]
        if not protos:
            problems.append(f"{path}: no .proto file in this folder")
            continue
        compiled, broken = _compile_what_compiles(protos, [*import_paths, folder])
        files.add(compiled.file, str(path))
        problems += broken
    return files, problems


def _compile_what_compiles(
    protos: list[Path], import_paths: list[Path]
) -> tuple[FileDescriptorSet, list[str]]:
    """Leave out what protoc complains of until it does not: it may stop at the first culprit."""
    problems: list[str] = []
    left = protos
    for _ in range(_MOST_ROUNDS):
        try:
            return compile_protos(left, import_paths), problems
        except ProtocError as error:
            culprits = _culprits(error, left, import_paths)
            problems += culprits.values()
            left = [proto for proto in left if proto not in culprits]
            if not left:
                return FileDescriptorSet(), problems
    return FileDescriptorSet(), [*problems, f"{len(left)} more files were given up: repair these first"]


def _culprits(error: ProtocError, protos: list[Path], import_paths: list[Path]) -> dict[Path, str]:
    """Which files an error is about, each with its first complaint; all of them if it names none."""
    known = {proto.as_posix(): proto for proto in protos}
    for folder in import_paths:
        for proto in protos:
            if proto.is_relative_to(folder):
                known.setdefault(proto.relative_to(folder).as_posix(), proto)
    found: dict[Path, str] = {}
    for line in error.lines:
        named = _NAMED.match(line)
        culprit = known.get(named["file"]) if named else None
        if culprit is not None:
            hint = "; tell where it is with --import-path" if "File not found" in str(error) else ""
            found.setdefault(culprit, f"{line}{hint}")
    return found or dict.fromkeys(protos, str(error))
