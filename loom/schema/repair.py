"""Mends files that no compiler wrote: some reflection services make them up from what they loaded.

The one of grpc-js, for one, leaves out every import, names types relative to where they are used, and sends the
well-known types in a file of its own making. Descriptor pools, and other tools with them, refuse all of that.
"""

from collections.abc import Iterable, Iterator, Mapping

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

Files = dict[str, FileDescriptorProto]


def repaired(files: Mapping[str, FileDescriptorProto], built_in: Mapping[str, FileDescriptorProto]) -> Files:
    """The files by name, with type names made absolute and imports added where they are missing.

    Files that are as they should be are passed on as they are; no file is changed in place.
    """
    standard = {name: file for file, types in _types_of(built_in.values()) for name in types}
    kept = {
        name: file
        for name, file in files.items()
        if name in built_in or not _repeats(file, standard) or _is_imported(name, files)
    }
    defined: dict[str, str] = {}
    for file, types in _types_of(kept.values()):
        for name in types:
            defined.setdefault(name, file)
    for name, file in standard.items():
        if file not in kept:
            defined.setdefault(name, file)
    together = {**built_in, **kept}
    return {name: _mended(file, defined, together) for name, file in kept.items()}


def _mended(file: FileDescriptorProto, defined: Mapping[str, str], files: Files) -> FileDescriptorProto:
    relative = any(not item.type_name.startswith(".") for _, item in _references(file) if item.type_name)
    if relative:
        copied = FileDescriptorProto()
        copied.CopyFrom(file)
        file = copied
        for scope, item in _references(file):
            if item.type_name and not item.type_name.startswith("."):
                item.type_name = _absolute(item.type_name, scope, defined)
    wanted = {defined.get(name) for name in _used(file)} - {None, file.name, *file.dependency}
    if not wanted:
        return file
    reached = _reached([file.name], files)
    absent = [
        name for name in wanted if name and name not in reached and file.name not in _reached([name], files)
    ]
    if absent:
        mended = FileDescriptorProto()
        mended.CopyFrom(file)
        mended.dependency.extend(sorted(absent))
        files[file.name] = mended
        return mended
    return file


def _absolute(name: str, scope: str, defined: Mapping[str, str]) -> str:
    """The innermost type that a relative name can mean, as the language resolves names."""
    while True:
        candidate = f"{scope}.{name}"
        if candidate in defined:
            return candidate
        if not scope:
            return f".{name}"
        scope = scope.rpartition(".")[0]


def _reached(names: Iterable[str], files: Mapping[str, FileDescriptorProto]) -> set[str]:
    """These files and all that they import, directly or not."""
    found: set[str] = set()
    stack = list(names)
    while stack:
        name = stack.pop()
        if name not in found:
            found.add(name)
            if name in files:
                stack += files[name].dependency
    return found


def _repeats(file: FileDescriptorProto, standard: Mapping[str, str]) -> bool:
    """Whether a file defines well-known types and nothing else."""
    [(_, types)] = _types_of([file])
    return bool(types) and not file.service and all(name in standard for name in types)


def _is_imported(name: str, files: Mapping[str, FileDescriptorProto]) -> bool:
    return any(name in file.dependency for file in files.values())


def _types_of(files: Iterable[FileDescriptorProto]) -> Iterator[tuple[str, list[str]]]:
    """Each file's name, and the full names of all types in it, with the leading dot."""
    for file in files:
        package = f".{file.package}" if file.package else ""
        names = [f"{package}.{item.name}" for item in file.enum_type]
        for scope, message in _messages(file):
            names.append(f"{scope}.{message.name}")
            names += (f"{scope}.{message.name}.{item.name}" for item in message.enum_type)
        yield file.name, names


def _messages(file: FileDescriptorProto) -> Iterator[tuple[str, DescriptorProto]]:
    """Every message with the scope that it is defined in."""
    stack = [(f".{file.package}" if file.package else "", message) for message in file.message_type]
    while stack:
        scope, message = stack.pop()
        yield scope, message
        stack += ((f"{scope}.{message.name}", nested) for nested in message.nested_type)


def _references(file: FileDescriptorProto) -> Iterator[tuple[str, FieldDescriptorProto]]:
    """Every field that may name a type, with the scope in which the name is meant."""
    package = f".{file.package}" if file.package else ""
    yield from ((package, item) for item in file.extension)
    for scope, message in _messages(file):
        yield from ((f"{scope}.{message.name}", item) for item in (*message.field, *message.extension))


def _used(file: FileDescriptorProto) -> set[str]:
    used = {item.type_name for _, item in _references(file) if item.type_name}
    used |= {item.extendee for _, item in _references(file) if item.extendee}
    for service in file.service:
        for method in service.method:
            used |= {method.input_type, method.output_type}
    return used
