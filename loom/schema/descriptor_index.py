"""An index of descriptors in memory by the symbols that they define, and the source that answers from it."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

from loom.units import format_count

from .placeholders import defined_types
from .source import DescriptorSet, Provenance, SchemaError


class _LazyFiles(Mapping[str, FileDescriptorProto]):
    """Files by name, which are parsed when they are used."""

    def __init__(self) -> None:
        self._files: dict[str, FileDescriptorProto | bytes] = {}

    def __getitem__(self, name: str) -> FileDescriptorProto:
        file = self._files[name]
        if isinstance(file, bytes):
            file = self._files[name] = FileDescriptorProto.FromString(file)
        return file

    def __setitem__(self, name: str, file: FileDescriptorProto | bytes) -> None:
        self._files[name] = file

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, name: object) -> bool:
        return name in self._files


@dataclass(slots=True)
class DescriptorIndex:
    """Files by name and by the symbols that they define.

    Of several files with one name, and of several definitions of one symbol, the first wins. ``origins`` says where
    each file was read; ``extensions`` are the files that extend each message.
    """

    by_name: _LazyFiles = field(default_factory=_LazyFiles)
    origins: dict[str, str] = field(default_factory=dict)
    symbols: dict[str, str] = field(default_factory=dict)
    services: dict[str, None] = field(default_factory=dict)
    extensions: dict[str, list[str]] = field(default_factory=dict)

    def add(self, files: Iterable[FileDescriptorProto], origin: str) -> None:
        """Add files that were read from ``origin``."""
        for file in files:
            prefix = f"{file.package}." if file.package else ""
            services = [prefix + item.name for item in file.service]
            types = [prefix + item.name for item in file.message_type]
            self._add(file.name, file, origin, services, types, extended_messages(file))

    def add_serialized(
        self,
        name: str,
        data: bytes,
        origin: str,
        services: Iterable[str],
        types: Iterable[str],
        extended: Iterable[str],
    ) -> None:
        """Add a serialised file, which is parsed when it is used.

        ``services`` and ``types`` are the full names of what it defines outermost, ``extended`` those of the messages
        that it extends.
        """
        self._add(name, data, origin, services, types, extended)

    def _add(
        self,
        name: str,
        file: FileDescriptorProto | bytes,
        origin: str,
        services: Iterable[str],
        types: Iterable[str],
        extended: Iterable[str],
    ) -> None:
        if name in self.by_name:
            return
        self.by_name[name] = file
        self.origins[name] = origin
        services = list(services)
        self.services |= dict.fromkeys(services)
        for symbol in (*services, *types):
            self.symbols.setdefault(symbol, name)
        for message in extended:
            self.extensions.setdefault(message, []).append(name)

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
    """A source that answers from indexes, which :meth:`replace` exchanges at once.

    Files of one name in two indexes are different files: each is used with the imports of its own index. A source that
    ``is_loading`` answers when it has been loaded.
    """

    def __init__(
        self,
        name: str,
        indexes: Iterable[DescriptorIndex] = (),
        problems: Iterable[str] = (),
        *,
        is_loading: bool = False,
    ) -> None:
        self.name = name
        self.problems: list[str] = list(problems)
        self._indexes = list(indexes)
        self._loaded_ns = time.time_ns()
        self._loaded = asyncio.Event()
        if not is_loading:
            self._loaded.set()

    @property
    def is_loading(self) -> bool:
        """Whether the files have not been loaded yet."""
        return not self._loaded.is_set()

    @property
    def services(self) -> list[str]:
        """The full names of the services that the files define."""
        return sorted({service for index in self._indexes for service in index.services})

    def replace(self, indexes: Iterable[DescriptorIndex], problems: Iterable[str]) -> None:
        """Answer from other indexes."""
        self._indexes = list(indexes)
        self.problems = list(problems)
        self._loaded_ns = time.time_ns()
        self._loaded.set()

    async def fetch(self, symbol: str) -> DescriptorSet:
        """The file that defines a symbol, its imports, and the extensions of their messages."""
        await self._loaded.wait()
        for index in self._indexes:
            name = index.file_of(symbol)
            if name is not None:
                files = index.with_imports([name])
                files |= index.with_imports(index.extensions_of(files))
                return DescriptorSet(
                    tuple(files.values()), Provenance(self.name, index.origins[name], self._loaded_ns)
                )
        count = len(self.problems)
        problems = (
            f" ({format_count(count, 'problem')} with them, first: {self.problems[0]})" if count else ""
        )
        raise SchemaError(f"no {self.name} define {symbol}{problems}")

    def fill(self, files: Mapping[str, FileDescriptorProto]) -> list[FileDescriptorProto]:
        """The imports that ``files`` lack, and the extensions of their messages that do not conflict with them."""
        result = dict(files)
        for index in self._indexes:
            missing = {name for file in result.values() for name in file.dependency if name not in result}
            _add_further(result, index.with_imports(missing))
        defined: set[str] | None = None
        for index in self._indexes:
            for name in index.extensions_of(files):
                if name in result:
                    continue
                if defined is None:
                    defined = set().union(*map(defined_types, result.values()))
                further = {key: file for key, file in index.with_imports([name]).items() if key not in result}
                if not any(defined & defined_types(file) for file in further.values()):
                    result |= further
                    defined = defined.union(*map(defined_types, further.values()))
        return [file for name, file in result.items() if name not in files]


def _add_further(files: dict[str, FileDescriptorProto], others: Mapping[str, FileDescriptorProto]) -> None:
    for name, file in others.items():
        files.setdefault(name, file)


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
