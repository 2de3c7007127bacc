"""Repair files that no compiler wrote: some reflection services generate them from what they have loaded.

That of grpc-js, for one, omits every import, names types relative to where they are used, and sends the well-known
types in files under names of its own. Descriptor pools, and other tools with them, reject all of that.
"""

from collections.abc import Iterable, Iterator, Mapping

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

from .placeholders import defined_types, used_types

FilesByName = dict[str, FileDescriptorProto]


def repair(
    files: Mapping[str, FileDescriptorProto], built_in: Mapping[str, FileDescriptorProto]
) -> FilesByName:
    """The files by name, with absolute type names and with the imports that are missing.

    Sound files are returned as they are; no file is changed in place.
    """
    well_known = {name: file.name for file in built_in.values() for name in defined_types(file)}
    remaining = {
        name: file
        for name, file in files.items()
        if name in built_in or not _is_copy(file, well_known) or _is_imported(name, files)
    }
    defining: dict[str, str] = {}
    for file in remaining.values():
        for name in defined_types(file):
            defining.setdefault(name, file.name)
    for name, file_name in well_known.items():
        if file_name not in remaining:
            defining.setdefault(name, file_name)
    merged = {**built_in, **remaining}
    return {name: _repair_file(file, defining, merged) for name, file in remaining.items()}


def _repair_file(
    file: FileDescriptorProto, defining: Mapping[str, str], files: FilesByName
) -> FileDescriptorProto:
    if any(field.type_name and not field.type_name.startswith(".") for _, field in _fields(file)):
        file = _copy(file)
        for scope, field in _fields(file):
            if field.type_name and not field.type_name.startswith("."):
                field.type_name = _absolute_name(field.type_name, scope, defining)
    needed = {defining.get(name) for name in used_types(file)} - {None, file.name, *file.dependency}
    if not needed:
        return file
    imported = _with_imports(file.name, files)
    missing = [
        name
        for name in needed
        if name and name not in imported and file.name not in _with_imports(name, files)
    ]
    if missing:
        file = _copy(file)
        file.dependency.extend(sorted(missing))
        files[file.name] = file
    return file


def _copy(file: FileDescriptorProto) -> FileDescriptorProto:
    copy = FileDescriptorProto()
    copy.CopyFrom(file)
    return copy


def _absolute_name(name: str, scope: str, defining: Mapping[str, str]) -> str:
    """The innermost type that a relative name resolves to, by the scoping rules of the language."""
    while True:
        candidate = f"{scope}.{name}"
        if candidate in defining:
            return candidate
        if not scope:
            return f".{name}"
        scope = scope.rpartition(".")[0]


def _with_imports(name: str, files: Mapping[str, FileDescriptorProto]) -> set[str]:
    """The names of a file and of everything that it imports, directly or not."""
    names: set[str] = set()
    stack = [name]
    while stack:
        current = stack.pop()
        if current not in names:
            names.add(current)
            if current in files:
                stack += files[current].dependency
    return names


def _is_copy(file: FileDescriptorProto, well_known: Mapping[str, str]) -> bool:
    """Whether a file defines well-known types and nothing else."""
    types = defined_types(file)
    return bool(types) and not file.service and all(name in well_known for name in types)


def _is_imported(name: str, files: Mapping[str, FileDescriptorProto]) -> bool:
    return any(name in file.dependency for file in files.values())


def _fields(file: FileDescriptorProto) -> Iterator[tuple[str, FieldDescriptorProto]]:
    """Every field and extension, with the scope that relative type names are resolved in."""
    package = f".{file.package}" if file.package else ""
    yield from ((package, field) for field in file.extension)
    for scope, message in _messages(file.message_type, package):
        yield from ((scope, field) for field in (*message.field, *message.extension))


def _messages(messages: Iterable[DescriptorProto], package: str) -> Iterator[tuple[str, DescriptorProto]]:
    """Every message at any depth, with its full name."""
    stack = [(f"{package}.{message.name}", message) for message in messages]
    while stack:
        name, message = stack.pop()
        yield name, message
        stack += ((f"{name}.{nested.name}", nested) for nested in message.nested_type)
