"""Link files into a descriptor pool; name those that are missing or broken, and use the others."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from .built_in_files import BUILT_IN_FILES
from .placeholders import Placeholders
from .repair import repair

NOT_PROVIDED = ": imported but not provided"
"""What follows the name of a missing import in a problem."""


class LinkedDescriptorSet:
    """Files that are linked in a descriptor pool of their own.

    ``problems`` name the files that are missing or cannot be linked, a line each.
    """

    def __init__(self, pool: DescriptorPool, problems: Sequence[str], files: Sequence[bytes]) -> None:
        self.pool = pool
        self.problems = tuple(problems)
        self._files = tuple(files)

    @cached_property
    def serialized(self) -> bytes:
        """The linked files as one serialised ``FileDescriptorSet``, imports first: it builds the same pool."""
        # A set is its files, each as field 1: joining their bytes saves parsing them.
        return b"".join(b"\x0a" + _varint(len(file)) + file for file in self._files)

    @cached_property
    def digest(self) -> bytes:
        """The SHA-256 of :attr:`serialized`."""
        return hashlib.sha256(self.serialized).digest()

    def has_message(self, full_name: str) -> bool:
        """Whether a message of this name is linked."""
        try:
            self.pool.FindMessageTypeByName(full_name)
        except KeyError:
            return False
        return True


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 (seven bits a byte)
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def missing_imports(files: Iterable[FileDescriptorProto]) -> set[str]:
    """The imports that neither these files nor the built-in ones provide."""
    files = list(files)
    provided = {file.name for file in files} | BUILT_IN_FILES.keys()
    return {name for file in files for name in file.dependency} - provided


def link(files: Iterable[FileDescriptorProto]) -> LinkedDescriptorSet:
    """Link files, imports first, with the built-in ones that they import.

    A missing import is replaced by a placeholder file in which the types that are used from it are defined without
    fields, so that their content is shown as unknown fields. A file is linked without the extensions whose
    number another file has taken; one that cannot be linked is left out. Both are named in ``problems``.
    """
    by_name: dict[str, FileDescriptorProto] = {}
    for file in files:
        by_name.setdefault(file.name, file)
    by_name = repair(by_name, BUILT_IN_FILES)
    problems = [f"{name}{NOT_PROVIDED}" for name in sorted(missing_imports(by_name.values()))]
    linker = _Linker(by_name, problems)
    for name in by_name:
        linker.add(name)
    return LinkedDescriptorSet(linker.pool, linker.problems, linker.files)


class _Linker:
    def __init__(self, by_name: dict[str, FileDescriptorProto], problems: list[str]) -> None:
        self.pool = DescriptorPool()
        self.problems = problems
        self.files: list[bytes] = []
        self._by_name = by_name
        self._visited: set[str] = set()
        self._pending: set[str] = set()
        self._rejected: set[str] = set()
        self._extension_numbers: set[tuple[str, int]] = set()
        self._placeholders = Placeholders()

    def add(self, name: str) -> None:
        """Add a file after its imports, at any depth."""
        stack = [name]
        while stack:
            current = stack[-1]
            file = self._by_name.get(current) or BUILT_IN_FILES.get(current)
            if current in self._visited or file is None:
                self._visited.add(current)
                stack.pop()
                continue
            imports = [
                item for item in file.dependency if item not in self._visited and item not in self._pending
            ]
            if imports:
                self._pending.add(current)  # breaks a cycle of imports where it began
                stack += imports
                continue
            self._visited.add(current)
            stack.pop()
            self._add(file)

    def _add(self, file: FileDescriptorProto) -> None:
        missing = [
            name
            for name in file.dependency
            if name in self._rejected or (name not in self._by_name and name not in BUILT_IN_FILES)
        ]
        if missing:
            for placeholder in self._placeholders.create(file, missing):
                if error := self._link(placeholder):
                    self.problems.append(f"{placeholder.name}: {error}")
        if conflicts := extension_numbers(file) & self._extension_numbers:
            file = without_extensions(file, conflicts)
            numbers = ", ".join(
                f"{number} of {extendee.lstrip('.')}" for extendee, number in sorted(conflicts)
            )
            self.problems.append(f"{file.name}: without its extensions that another file defines: {numbers}")
        if error := self._link(file):
            self.problems.append(f"{file.name}: {error}")
            self._rejected.add(file.name)
        else:
            self._extension_numbers |= extension_numbers(file)
            self._placeholders.add_defined(file)

    def _link(self, file: FileDescriptorProto) -> str:
        """Add a file to the pool; the reason if the pool rejects it, else ""."""
        data = file.SerializeToString()
        error = pool_error(self.pool, file.name, data)
        if not error:
            self.files.append(data)
        elif extension_numbers(file):
            self._rebuild_pool()
        return error

    def _rebuild_pool(self) -> None:
        """Start a new pool: upb may keep extensions of a file that it has rejected, and their memory is freed."""
        self.pool = DescriptorPool()
        for data in self.files:
            self.pool.AddSerializedFile(data)


def pool_error(pool: DescriptorPool, name: str, data: bytes) -> str:
    """Add a serialised file to a pool; the reason if the pool rejects it, else ""."""
    try:
        pool.AddSerializedFile(data)
        if name.isascii():  # upb does not find others by name, but has built the file already
            pool.FindFileByName(name)
    except Exception as error:  # noqa: BLE001 (the implementations of protobuf raise different classes)
        return " ".join(str(error).split()) or type(error).__name__
    return ""


def extension_numbers(file: FileDescriptorProto) -> set[tuple[str, int]]:
    """The extensions that a file declares at any depth: the message that each extends, and its number."""
    return {(field.extendee, field.number) for scope in _scopes(file) for field in scope.extension}


def without_extensions(file: FileDescriptorProto, numbers: set[tuple[str, int]]) -> FileDescriptorProto:
    """A copy of a file without some of the extensions that it declares."""
    copy = FileDescriptorProto()
    copy.CopyFrom(file)
    for scope in _scopes(copy):
        for index in reversed(range(len(scope.extension))):
            if (scope.extension[index].extendee, scope.extension[index].number) in numbers:
                del scope.extension[index]
    return copy


def _scopes(file: FileDescriptorProto) -> Iterator[FileDescriptorProto | DescriptorProto]:
    """A file and its messages at any depth: what can declare extensions."""
    yield file
    stack = list(file.message_type)
    while stack:
        message = stack.pop()
        yield message
        stack += message.nested_type
