"""The process that loads schema files: reads one request from standard input and answers on standard output."""

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files as resource_files
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import status_pb2
from grpc_tools import protoc

from loom.schema.descriptor_index import extended_messages
from loom.schema.linker import pool_error
from loom.units import format_count
from loom.workers import encode_frame, read_frame

from .descriptor_sets import link_problems, read_descriptor_sets
from .partition import partition
from .proto_tree import ProtoFile, ProtoTree, display_path
from .protocol import LoadedFile, LoadRequest, LoadResponse, request_decoder
from .unit_compiler import CompiledUnit, compile_unit

_NICE = 10
_MAX_ROUNDS = 20


def main() -> None:
    """Answer one request."""
    if hasattr(os, "nice"):
        os.nice(_NICE)
    request = request_decoder.decode(read_frame(sys.stdin.buffer))
    sys.stdout.buffer.write(encode_frame(load(request)))
    sys.stdout.buffer.flush()


def load(request: LoadRequest) -> LoadResponse:
    """Compile and read the files of a request."""
    response = LoadResponse()
    if request.protos:
        response.protos, response.proto_problems = _load_protos(request)
    if request.descriptor_sets:
        sets, problems = read_descriptor_sets(request.descriptor_sets)
        for path, files in sets:
            others = (file for other, items in sets if other is not path for file in items)
            problems += (f"{path}: {problem}" for problem in link_problems(files, others))
            response.descriptor_sets.append([_loaded(file, path) for file in files])
        response.descriptor_set_problems = problems
    return response


def _load_protos(request: LoadRequest) -> tuple[list[list[LoadedFile]], list[str]]:
    built_in = [
        Path(str(resource_files("grpc_tools"))) / "_proto",
        Path(status_pb2.__file__).parents[2],
    ]
    tree = ProtoTree(request.protos, request.import_paths, built_in, climbs=not request.uploaded)
    units = _compile(tree.files, built_in)
    problems = [*tree.problems, *_problems(units, tree.copies, uploaded=request.uploaded)]
    loaded: list[list[LoadedFile]] = []
    for unit in units:
        files, unit_problems = _linkable(unit, uploaded=request.uploaded)
        loaded.append(files)
        problems += unit_problems
    return [files for files in loaded if files], list(dict.fromkeys(problems))


def _compile(files: Sequence[ProtoFile], built_in: Sequence[Path]) -> list[CompiledUnit]:
    """Compile files, in further units those whose symbols conflict with others of their unit."""
    units: list[CompiledUnit] = []
    remaining, moves_importers = list(files), True
    for _ in range(_MAX_ROUNDS):
        for unit in partition(remaining):
            units += compile_unit(unit, run_protoc, built_in, moves_importers=moves_importers)
        compiled = {file for unit in units for file, _ in unit.files}
        conflicts = dict.fromkeys(file for unit in units for file in unit.conflicts if file not in compiled)
        if not conflicts or (len(conflicts) == len(remaining) and not moves_importers):
            break
        # Files that conflict with what they import are compiled without it.
        moves_importers = len(conflicts) < len(remaining)
        remaining = list(conflicts)
    return units


def run_protoc(arguments: Sequence[str]) -> tuple[bool, str]:
    """Run protoc in this process; whether it succeeded, and what it wrote to standard error."""
    with tempfile.TemporaryFile() as errors:
        original = os.dup(2)
        try:
            os.dup2(errors.fileno(), 2)
            code = protoc.main(["protoc", *arguments])
        finally:
            os.dup2(original, 2)
            os.close(original)
        errors.seek(0)
        return code == 0, errors.read().decode("utf-8", "surrogateescape")


def _problems(
    units: Iterable[CompiledUnit], copies: Mapping[ProtoFile, Sequence[ProtoFile]], *, uploaded: bool
) -> Iterator[str]:
    """A line for each file that no unit has, and for each import whose types are missing."""
    units = list(units)
    compiled = {file for unit in units for file, _ in unit.files}
    broken: set[ProtoFile] = set()
    importers: dict[str, list[ProtoFile]] = {}
    for unit in units:
        for file, problem in unit.problems.items():
            if file not in compiled and file not in broken:
                broken.add(file)
                yield _replace_surrogates(problem)
                for copy in copies.get(file, ()):
                    text = problem.removeprefix(display_path(file))
                    yield _replace_surrogates(f"{display_path(copy)}{text}")
    names = {file.name: file for file in broken}
    for unit in units:
        for file, missing in unit.incomplete.items():
            for name in missing:
                if name not in names:
                    importers.setdefault(name, []).append(file)
                    continue
                yield _replace_surrogates(
                    f"{display_path(file)}: the types of {display_path(names[name])} are shown by field number,"
                    " as it cannot be used"
                )
    hint = "upload it, too" if uploaded else "say where it is with --import-path"
    for name, users in importers.items():
        files = list(dict.fromkeys(users))
        others = f" (as in {format_count(len(files) - 1, 'more file')})" if len(files) > 1 else ""
        yield _replace_surrogates(
            f"{display_path(files[0])}: the import {name} is not found{others}: its types are shown by field"
            f" number; {hint}"
        )


def _linkable(unit: CompiledUnit, *, uploaded: bool) -> tuple[list[LoadedFile], list[str]]:
    """The files of a unit that a descriptor pool accepts, and the reason for each other one."""
    pool = DescriptorPool()
    loaded: list[LoadedFile] = []
    problems: list[str] = []
    usable: set[str] = set()
    names = {proto.name for _, proto in unit.files} | {proto.name for proto in unit.built_in}
    for file, proto in [*((None, proto) for proto in unit.built_in), *unit.files]:
        origin = "Loom" if file is None else file.path if uploaded else file.origin
        item = _loaded(proto, origin, has_extensions=file is None or file.header.has_extensions)
        loaded.append(item)
        # What lacks an import is linked with a placeholder when it is used.
        if all(name in usable or name not in names for name in proto.dependency) and names.issuperset(
            proto.dependency
        ):
            if error := pool_error(pool, proto.name, item.data):
                problems.append(f"{proto.name}: {error}")
                pool = DescriptorPool()  # upb may keep extensions of a rejected file
                for other in loaded:
                    if other.name in usable:
                        pool.AddSerializedFile(other.data)
            else:
                usable.add(proto.name)
    return loaded, problems


def _loaded(file: FileDescriptorProto, origin: str, *, has_extensions: bool = True) -> LoadedFile:
    prefix = f"{file.package}." if file.package else ""
    return LoadedFile(
        file.name,
        origin,
        file.SerializeToString(),
        [prefix + service.name for service in file.service],
        [prefix + message.name for message in file.message_type],
        sorted(extended_messages(file)) if has_extensions else [],
    )


def _replace_surrogates(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


if __name__ == "__main__":
    main()
