"""Read descriptor sets, and check which of their files can be linked."""

from collections.abc import Iterable
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import DecodeError

from loom.schema.linker import link, missing_imports
from loom.schema.parsing import parse_descriptor_set

_Set = tuple[str, list[FileDescriptorProto]]


def read_descriptor_sets(paths: Iterable[str]) -> tuple[list[_Set], list[str]]:
    """The files of each set with its path, and a line for each set that cannot be read or file that cannot be used."""
    sets: list[_Set] = []
    problems: list[str] = []
    for path in paths:
        try:
            files = parse_descriptor_set(Path(path).read_bytes()).file
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
        except DecodeError as error:
            reason = "not a descriptor set: make one with protoc --descriptor_set_out"
            problems.append(f"{path}: {error if 'UTF-8' in str(error) else reason}")
        else:
            sets.append((path, list(files)))
    return sets, problems


def link_problems(files: list[FileDescriptorProto], others: Iterable[FileDescriptorProto]) -> list[str]:
    """The files of a set that cannot be linked, each with the reason; ``others`` may provide what they import."""
    missing = missing_imports(files)
    provided: dict[str, FileDescriptorProto] = {}
    by_name = {file.name: file for file in others}
    stack = list(missing)
    while stack:
        name = stack.pop()
        if name in by_name and name not in provided:
            provided[name] = by_name[name]
            stack += by_name[name].dependency
    return list(link([*files, *provided.values()]).problems)
