"""An index of descriptors in memory by the symbols that they define, and the source that answers from it."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

from .source import DescriptorSet, Provenance, SchemaError


@dataclass(slots=True)
class DescriptorIndex:
    """Files by name and by the symbols that they define.

    Of several files with one name, and of several definitions of one symbol, the first wins. ``origins`` says where
    each file was read; ``extensions`` are the files that extend each message.
    """

    by_name: dict[str, FileDescriptorProto] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    symbols: dict[str, str] = field(default_factory=dict)
    extensions: dict[str, list[str]] = field(default_factory=dict)

    def add(self, files: Iterable[FileDescriptorProto], origin: str) -> None:
        """Add files that were read from ``origin``."""
        for file in files:
            if file.name in self.by_name:
                continue
            self.by_name[file.name] = file
            self.origins[file.name] = origin
            prefix = f"{file.package}." if file.package else ""
            for name in (*(item.name for item in file.service), *(item.name for item in file.message_type)):
                self.symbols.setdefault(prefix + name, file.name)
            for extended in extended_messages(file):
                self.extensions.setdefault(extended, []).append(file.name)

    def file_of(self, symbol: str) -> str | None:
        """The name of the file that defines a symbol; that of a nested message is that of its outermost one."""
        while symbol:
            if symbol in self.symbols:
                return self.symbols[symbol]
            symbol = symbol.rpartition(".")[0]
        return None

    def with_imports(self, names: Iterable[str]) -> dict[str, FileDescriptorProto]:
        """Files by name, with everything they import that is in the index."""
        files: dict[str, FileDescriptorProto] = {}
        stack = list(names)
        while stack:
            name = stack.pop()
            if name in self.by_name and name not in files:
                files[name] = self.by_name[name]
                stack += files[name].dependency
        return files

    def extensions_of(self, files: Mapping[str, FileDescriptorProto]) -> list[str]:
        """The names of files in the index that extend messages of ``files``."""
        if not self.extensions:
            return []
        return [
            name
            for message in extensible_messages(files.values())
            for name in self.extensions.get(message, ())
        ]


class MemorySource:
    """A source that answers from an index, which :meth:`replace` exchanges at once."""

    def __init__(self, name: str, index: DescriptorIndex | None = None, problems: Iterable[str] = ()) -> None:
        self.name = name
        self.problems: list[str] = list(problems)
        self._index = index or DescriptorIndex()
        self._loaded_ns = time.time_ns()

    def replace(self, index: DescriptorIndex, problems: Iterable[str]) -> None:
        """Answer from another index."""
        self._index = index
        self.problems = list(problems)
        self._loaded_ns = time.time_ns()

    @property
    def services(self) -> list[str]:
        """The full names of the services that the files define."""
        return sorted(
            f"{file.package}.{service.name}".lstrip(".")
            for file in self._index.by_name.values()
            for service in file.service
        )

    async def fetch(self, symbol: str) -> DescriptorSet:
        """The file that defines a symbol, its imports, and the extensions of their messages."""
        name = self._index.file_of(symbol)
        if name is None:
            count = len(self.problems)
            unusable = f" ({count} could not be read: {self.problems[0]})" if self.problems else ""
            raise SchemaError(f"no {self.name} define {symbol}{unusable}")
        files = self._index.with_imports([name])
        files |= self._index.with_imports(self._index.extensions_of(files))
        return DescriptorSet(
            tuple(files.values()), Provenance(self.name, self._index.origins[name], self._loaded_ns)
        )

    def fill(self, files: Mapping[str, FileDescriptorProto]) -> list[FileDescriptorProto]:
        """The imports that ``files`` lack, and the extensions of their messages."""
        missing = {name for file in files.values() for name in file.dependency if name not in files}
        names = [*missing, *self._index.extensions_of(files)]
        return [file for name, file in self._index.with_imports(names).items() if name not in files]


def extended_messages(file: FileDescriptorProto) -> set[str]:
    """The full names of the messages that a file extends, except the options of descriptors."""
    names = {item.extendee.lstrip(".") for item in file.extension}
    stack = list(file.message_type)
    while stack:
        message = stack.pop()
        names.update(item.extendee.lstrip(".") for item in message.extension)
        stack += message.nested_type
    return {name for name in names if not name.startswith("google.protobuf.")}


def extensible_messages(files: Iterable[FileDescriptorProto]) -> list[str]:
    """The full names of all messages with extension ranges, except the options of descriptors."""
    names: list[str] = []
    stack: list[tuple[str, DescriptorProto]] = []
    for file in files:
        if file.package != "google.protobuf":
            prefix = f"{file.package}." if file.package else ""
            stack += ((prefix + message.name, message) for message in file.message_type)
    while stack:
        name, message = stack.pop()
        if message.extension_range:
            names.append(name)
        stack += ((f"{name}.{nested.name}", nested) for nested in message.nested_type)
    return names
