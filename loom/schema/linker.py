"""Link files into a descriptor pool; missing and broken files are named, and the others are used."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property

from google.api import annotations_pb2, client_pb2, field_behavior_pb2, http_pb2, httpbody_pb2, resource_pb2
from google.protobuf import (
    any_pb2,
    api_pb2,
    descriptor_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    source_context_pb2,
    struct_pb2,
    timestamp_pb2,
    type_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import code_pb2, error_details_pb2, status_pb2

from .repair import repaired

_BUILT_IN = (
    any_pb2,
    api_pb2,
    descriptor_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    source_context_pb2,
    struct_pb2,
    timestamp_pb2,
    type_pb2,
    wrappers_pb2,
    code_pb2,
    error_details_pb2,
    status_pb2,
    annotations_pb2,
    client_pb2,
    field_behavior_pb2,
    http_pb2,
    httpbody_pb2,
    resource_pb2,
)


def _built_in() -> dict[str, FileDescriptorProto]:
    """The well-known types, google.rpc and google.api: servers often leave them out."""
    found = {}
    for module in _BUILT_IN:
        file = FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        found[file.name] = file
    return found


BUILT_IN_FILES = _built_in()


class LinkedDescriptorSet:
    """A pool, and what is wrong with it: one line per file that is missing or broken.

    ``files`` are the serialized files in it, imports first.
    """

    def __init__(self, pool: DescriptorPool, problems: Sequence[str], files: Sequence[bytes]) -> None:
        self.pool = pool
        self.problems = tuple(problems)
        self._files = tuple(files)

    @cached_property
    def serialized(self) -> bytes:
        """All files as one ``FileDescriptorSet``: another process makes the same pool of it."""
        # A set is its files, each as field 1: joining their bytes saves parsing them.
        return b"".join(b"\x0a" + _varint(len(file)) + file for file in self._files)

    @cached_property
    def digest(self) -> bytes:
        """What tells this pool from one of other files."""
        return hashlib.sha256(self.serialized).digest()


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 (seven bits a byte)
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def missing(files: Iterable[FileDescriptorProto]) -> set[str]:
    """The imports that neither these files nor the built-in ones satisfy."""
    files = list(files)
    known = {file.name for file in files} | BUILT_IN_FILES.keys()
    return {name for file in files for name in file.dependency} - known


def link(files: Iterable[FileDescriptorProto]) -> LinkedDescriptorSet:
    """Add files, imports first, with built-in ones where a file imports them.

    A missing import is replaced by a stand-in that defines, empty, the types that are used from it: their content
    then shows as unknown fields. A file that cannot be built is left out, and named.
    """
    named: dict[str, FileDescriptorProto] = {}
    for file in files:
        named.setdefault(file.name, file)
    named = repaired(named, BUILT_IN_FILES)
    problems = [f"{name}: imported but not provided" for name in sorted(missing(named.values()))]
    builder = _Builder(named, problems)
    for name in named:
        builder.add(name)
    return LinkedDescriptorSet(builder.pool, builder.problems, builder.files)


class _Builder:
    def __init__(self, named: dict[str, FileDescriptorProto], problems: list[str]) -> None:
        self.pool = DescriptorPool()
        self.problems = problems
        self.files: list[bytes] = []
        self._named = named
        self._done: set[str] = set()
        self._entered: set[str] = set()
        self._broken: set[str] = set()
        self._defined = _Defined()

    def add(self, name: str) -> None:
        """Add a file after its imports, whatever the depth."""
        stack = [name]
        while stack:
            current = stack[-1]
            file = self._named.get(current) or BUILT_IN_FILES.get(current)
            if current in self._done or file is None:
                self._done.add(current)
                stack.pop()
                continue
            waiting = [
                item for item in file.dependency if item not in self._done and item not in self._entered
            ]
            if waiting:
                self._entered.add(current)  # a circle of imports ends where it began
                stack += waiting
                continue
            self._done.add(current)
            stack.pop()
            self._add(file)

    def _add(self, file: FileDescriptorProto) -> None:
        absent = [
            name
            for name in file.dependency
            if name in self._broken or (name not in self._named and name not in BUILT_IN_FILES)
        ]
        if absent:
            for extra in self._defined.stand_ins(file, absent):
                self._try(extra)
        if self._try(file):
            self._defined.note(file)
        else:
            self._broken.add(file.name)

    def _try(self, file: FileDescriptorProto) -> bool:
        data = file.SerializeToString()
        try:
            self.pool.AddSerializedFile(data)
            self.pool.FindFileByName(file.name)
        except Exception as error:  # noqa: BLE001 (the implementations of protobuf raise different classes)
            self.problems.append(f"{file.name}: {' '.join(str(error).split()) or type(error).__name__}")
            return False
        self.files.append(data)
        return True


class _Defined:
    """Which types have been defined so far, to find those that a missing import would have."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self._types: set[str] = set()

    def note(self, file: FileDescriptorProto) -> None:
        prefix = f".{file.package}" if file.package else ""
        for message in file.message_type:
            self._note_message(prefix, message)
        self._types.update(f"{prefix}.{enum.name}" for enum in file.enum_type)

    def _note_message(self, prefix: str, message: DescriptorProto) -> None:
        name = f"{prefix}.{message.name}"
        self._types.add(name)
        self._types.update(f"{name}.{enum.name}" for enum in message.enum_type)
        for nested in message.nested_type:
            self._note_message(name, nested)

    def stand_ins(self, file: FileDescriptorProto, absent: list[str]) -> list[FileDescriptorProto]:
        """DescriptorIndex for the absent imports that define, empty, each type that ``file`` uses and nobody defines.

        One file has one package, so the types go into a file a package, which the first absent import passes on.
        """
        own = _Defined()
        own._types = set(self._types)
        own.note(file)
        used = _used_types(file)
        undefined = {
            kind: enum for kind, enum in used.items() if kind.startswith(".") and kind not in own._types
        }
        made: dict[str, FileDescriptorProto] = {}
        messages: dict[str, DescriptorProto] = {}
        for kind, enum in sorted(undefined.items()):
            parent, _, name = kind.rpartition(".")
            outer = messages.get(parent)
            if outer is None and parent not in made:
                made[parent] = FileDescriptorProto(
                    name=f"{absent[0]}#{parent}", syntax="proto3", package=parent.lstrip(".")
                )
            if enum:
                kinds = made[parent].enum_type if outer is None else outer.enum_type
                kinds.add(name=name).value.add(name=f"{name}_UNKNOWN", number=0)
            else:
                places = made[parent].message_type if outer is None else outer.nested_type
                messages[kind] = places.add(name=name)
            self._types.add(kind)
        fresh = [name for name in absent if name not in self.files]
        self.files.update(fresh)
        passing = [FileDescriptorProto(name=name, syntax="proto3") for name in fresh]
        if not passing and made:  # the import was stood in for already: this file needs more of it
            file.dependency.extend(extra.name for extra in made.values())
        for position, extra in enumerate(made.values()):
            if passing:
                passing[0].dependency.append(extra.name)
                passing[0].public_dependency.append(position)
        return [*made.values(), *passing]


def _used_types(file: FileDescriptorProto) -> dict[str, bool]:
    """Every type that a file names, and whether it is an enum."""
    used: dict[str, bool] = {}
    for message in file.message_type:
        _uses(message, used)
    for field in file.extension:
        _use(field, used)
    for service in file.service:
        for method in service.method:
            used.setdefault(method.input_type, False)
            used.setdefault(method.output_type, False)
    return used


def _uses(message: DescriptorProto, used: dict[str, bool]) -> None:
    for field in (*message.field, *message.extension):
        _use(field, used)
    for nested in message.nested_type:
        _uses(nested, used)


def _use(field: FieldDescriptorProto, used: dict[str, bool]) -> None:
    if field.type_name:
        used[field.type_name] = field.type == FieldDescriptorProto.TYPE_ENUM
    if field.extendee:
        used.setdefault(field.extendee, False)
