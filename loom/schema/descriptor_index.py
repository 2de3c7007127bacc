"""Descriptors in memory: found by the symbols they define, with what they import and what extends them."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

from .source import DescriptorSet, Provenance, SchemaError


@dataclass(slots=True)
class DescriptorIndex:
    """Files by name and by the symbols that they define. Of several with one name, or of one symbol, the first wins."""

    by_name: dict[str, FileDescriptorProto] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    symbols: dict[str, str] = field(default_factory=dict)
    extending: dict[str, list[str]] = field(default_factory=dict)

    def add(self, files: Iterable[FileDescriptorProto], origin: str) -> None:
        """Take files in."""
        for file in files:
            if file.name in self.by_name:
                continue
            self.by_name[file.name] = file
            self.origins[file.name] = origin
            prefix = f"{file.package}." if file.package else ""
            for name in (*(item.name for item in file.service), *(item.name for item in file.message_type)):
                self.symbols.setdefault(prefix + name, file.name)
            for extended in extended_by(file):
                self.extending.setdefault(extended, []).append(file.name)

    def defining(self, symbol: str) -> str | None:
        """The name of the file that defines a symbol; a nested message lives where its outer one does."""
        while symbol:
            if symbol in self.symbols:
                return self.symbols[symbol]
            symbol = symbol.rpartition(".")[0]
        return None

    def closure(self, names: Iterable[str]) -> dict[str, FileDescriptorProto]:
        """These files, with all that they import and that is here."""
        wanted: dict[str, FileDescriptorProto] = {}
        stack = list(names)
        while stack:
            current = stack.pop()
            if current in self.by_name and current not in wanted:
                wanted[current] = self.by_name[current]
                stack += wanted[current].dependency
        return wanted

    def extensions_of(self, files: Mapping[str, FileDescriptorProto]) -> list[str]:
        """The names of files here that extend messages of ``files``."""
        if not self.extending:
            return []
        return [name for message in extensible(files.values()) for name in self.extending.get(message, ())]


class MemorySource:
    """A source that has its files in memory. :meth:`replace` exchanges them all at once."""

    def __init__(self, name: str, files: DescriptorIndex | None = None, problems: Iterable[str] = ()) -> None:
        self.name = name
        self.problems: list[str] = list(problems)
        self._files = files or DescriptorIndex()
        self._since = time.time_ns()

    def replace(self, files: DescriptorIndex, problems: Iterable[str]) -> None:
        """What was read anew."""
        self._files = files
        self.problems = list(problems)
        self._since = time.time_ns()

    @property
    def services(self) -> list[str]:
        """The full names of the services that the files define."""
        return sorted(
            f"{file.package}.{service.name}".lstrip(".")
            for file in self._files.by_name.values()
            for service in file.service
        )

    async def fetch(self, symbol: str) -> DescriptorSet:
        """The defining file with all that it imports, and what extends their messages."""
        name = self._files.defining(symbol)
        if name is None:
            broken = f" ({len(self.problems)} could not be read: {self.problems[0]})" if self.problems else ""
            raise SchemaError(f"no {self.name} define {symbol}{broken}")
        found = self._files.closure([name])
        found |= self._files.closure(self._files.extensions_of(found))
        provenance = Provenance(self.name, self._files.origins[name], self._since)
        return DescriptorSet(tuple(found.values()), provenance)

    def fill(self, files: Mapping[str, FileDescriptorProto]) -> list[FileDescriptorProto]:
        """Imports that are missing in ``files``, and extensions of its messages."""
        absent = {name for file in files.values() for name in file.dependency if name not in files}
        wanted = [*absent, *self._files.extensions_of(files)]
        return [file for name, file in self._files.closure(wanted).items() if name not in files]


def extended_by(file: FileDescriptorProto) -> set[str]:
    """The full names of the messages that a file extends, options of descriptors apart."""
    found = {item.extendee.lstrip(".") for item in file.extension}
    stack = list(file.message_type)
    while stack:
        message = stack.pop()
        found.update(item.extendee.lstrip(".") for item in message.extension)
        stack += message.nested_type
    return {name for name in found if not name.startswith("google.protobuf.")}


def extensible(files: Iterable[FileDescriptorProto]) -> list[str]:
    """The full names of all messages that can be extended, options of descriptors apart."""
    found: list[str] = []
    stack: list[tuple[str, DescriptorProto]] = []
    for file in files:
        if file.package != "google.protobuf":
            prefix = f"{file.package}." if file.package else ""
            stack += ((prefix + message.name, message) for message in file.message_type)
    while stack:
        name, message = stack.pop()
        if message.extension_range:
            found.append(name)
        stack += ((f"{name}.{nested.name}", nested) for nested in message.nested_type)
    return found
