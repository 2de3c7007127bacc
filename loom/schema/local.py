"""Descriptors from this machine: ``.proto`` files, folders of them, and descriptor sets."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError

from .protoc import ProtocError, compile_protos
from .source import FileSet, Provenance, SchemaError


class LocalSource:
    """Files by the symbols that they define. ``problems`` has one line for each file that could not be read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[str] = []
        self._files: dict[str, tuple[FileDescriptorProto, str]] = {}
        self._symbols: dict[str, str] = {}

    def take(self, files: FileDescriptorSet, origin: str) -> None:
        """Add files; a file that is there already stays as it is."""
        for file in files.file:
            if file.name in self._files:
                continue
            self._files[file.name] = (file, origin)
            prefix = f"{file.package}." if file.package else ""
            names = [service.name for service in file.service] + [kind.name for kind in file.message_type]
            for name in names:
                self._symbols.setdefault(prefix + name, file.name)

    async def fetch(self, symbol: str) -> FileSet:
        """The defining file with all that it imports."""
        name = self._symbols.get(symbol)
        outer = symbol
        while name is None and "." in outer:  # a nested message lives where its outer one does
            outer = outer.rpartition(".")[0]
            name = self._symbols.get(outer)
        if name is None:
            broken = f" ({len(self.problems)} could not be read: {self.problems[0]})" if self.problems else ""
            raise SchemaError(f"no {self.name} define {symbol}{broken}")
        wanted, stack = dict[str, FileDescriptorProto](), [name]
        while stack:
            current = stack.pop()
            if current in self._files and current not in wanted:
                wanted[current] = self._files[current][0]
                stack += wanted[current].dependency
        return FileSet(tuple(wanted.values()), Provenance(self.name, self._files[name][1]))


def load_protosets(paths: Sequence[Path]) -> LocalSource:
    """Descriptor sets, as ``protoc --descriptor_set_out --include_imports`` and ``buf build`` write them."""
    source = LocalSource("descriptor sets")
    for path in paths:
        try:
            source.take(FileDescriptorSet.FromString(path.read_bytes()), str(path))
        except (OSError, DecodeError) as error:
            source.problems.append(f"{path}: not a descriptor set: {error}")
    return source


async def load_protos(paths: Sequence[Path], import_paths: Sequence[Path] = ()) -> LocalSource:
    """Proto files and folders of them. One that does not compile is named, and the others are there."""
    return await asyncio.to_thread(_load_protos, paths, import_paths)


def _load_protos(paths: Sequence[Path], import_paths: Sequence[Path]) -> LocalSource:
    source = LocalSource("proto files")
    for path in paths:
        if not path.exists():
            source.problems.append(f"{path}: no such file")
            continue
        folder = path if path.is_dir() else path.parent
        files = sorted(path.rglob("*.proto")) if path.is_dir() else [path]
        where = [*import_paths, folder]
        try:
            source.take(compile_protos(files, where), str(path))
        except ProtocError as error:
            if len(files) == 1:
                source.problems.append(str(error))
                continue
            for file in files:  # find the culprits, keep the rest
                try:
                    source.take(compile_protos([file], where), str(file))
                except ProtocError as single:
                    source.problems.append(str(single))
    return source
