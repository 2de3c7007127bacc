"""Collect ``.proto`` files from folders of any layout, and resolve what they import."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path

from .proto_text import Header, scan

_HIDDEN = {".git", ".hg", ".svn"}
_MAX_MERGES = 20


@dataclass(eq=False, slots=True)
class ProtoFile:
    """A file on disk.

    ``root`` is the folder that it was found in, ``origin`` the argument that named it. ``imports`` has what each
    imported name is: another file, the name of a built-in file, or None if it is missing. ``name`` is that by which
    the compiler knows the file, unlike that of any other.
    """

    path: str
    root: str
    origin: str
    text: str
    header: Header
    imports: "dict[str, ProtoFile | str | None]" = field(default_factory=dict)
    name: str = ""

    @property
    def folder(self) -> str:
        return os.path.dirname(self.path)

    @property
    def own_root(self) -> str | None:
        """The root of imports that the file's package suggests: ``x`` for package acme.shop in x/acme/shop."""
        suffix = "/" + self.header.package.replace(".", "/")
        folder = _posix(self.folder)
        return folder.removesuffix(suffix) if self.header.package and folder.endswith(suffix) else None

    @property
    def missing(self) -> list[str]:
        """The imports that are missing."""
        return [name for name, target in self.imports.items() if target is None]

    @property
    def imported_files(self) -> "list[ProtoFile]":
        return [target for target in self.imports.values() if isinstance(target, ProtoFile)]


class ProtoTree:
    """The files of several paths with everything that they import. Of copies, the first stands for all ``copies``.

    Imports are searched for, in this order: in ``import_paths``; below the root that a file's package suggests, its
    own path, and the folders that it is in; in any folder of the same path, as vendored files are, the nearest first;
    with ``climbs``, in the folders above the path; in the other paths; among ``built_in`` folders, which come first
    for the well-known types; and in the path without the first parts of the name, which may be those of a repository.
    """

    def __init__(
        self,
        paths: Iterable[str],
        import_paths: Sequence[str],
        built_in: Sequence[Path],
        *,
        climbs: bool = True,
    ) -> None:
        self.files: list[ProtoFile] = []
        self.copies: dict[ProtoFile, list[ProtoFile]] = {}
        self.problems: list[str] = []
        self._import_paths = [os.path.abspath(path) for path in import_paths]
        self._built_in = built_in
        self._climbs = climbs
        self._by_path: dict[str, ProtoFile | None] = {}
        self._by_real_path: dict[str, ProtoFile] = {}
        self._by_base_name: dict[str, list[ProtoFile]] = {}
        self._roots: list[str] = []
        for path in paths:
            self._collect(path)
        self._resolve()
        self._merge_copies()
        self._name()

    def _collect(self, path: str) -> None:
        """Add a file, or the files of a folder."""
        absolute = os.path.abspath(path)
        if os.path.isdir(absolute):
            self._roots.append(absolute)
            found = self._walk(absolute, path)
            for name in found:
                self._add(name, absolute, path)
            if not found:
                self.problems.append(f"{path}: no .proto file in this folder")
        elif os.path.exists(absolute):
            self._roots.append(os.path.dirname(absolute))
            self._add(absolute, os.path.dirname(absolute), path)
        else:
            self.problems.append(f"{path}: no such file or folder")

    def _walk(self, root: str, origin: str) -> list[str]:
        """The .proto files of a folder, sorted; links to other folders are followed, each folder once."""
        found: list[str] = []
        visited: set[str] = set()
        stack = [root]

        def failed(error: OSError) -> None:
            self.problems.append(f"{_display(str(error.filename), root, origin)}: {error.strerror}")

        while stack:
            for folder, folders, names in os.walk(stack.pop(), onerror=failed):
                real = os.path.realpath(folder)
                if real in visited:
                    folders.clear()
                    continue
                visited.add(real)
                found += (os.path.join(folder, name) for name in names if name.endswith(".proto"))
                folders[:] = set(folders) - _HIDDEN
                # Links come after the folders themselves, so that a folder is known by its own path.
                links = (os.path.join(folder, name) for name in sorted(folders))
                stack += (link for link in links if os.path.islink(link))
        return sorted(found)

    def _add(self, path: str, root: str, origin: str) -> ProtoFile | None:
        """Read a file, once."""
        path = os.path.normpath(path)
        if path in self._by_path:
            return self._by_path[path]
        real = os.path.realpath(path)
        file = self._by_real_path.get(real)
        if file is None:
            try:
                text = Path(path).read_bytes().decode("utf-8", "surrogateescape").removeprefix("\ufeff")
            except OSError as error:
                self.problems.append(f"{_display(path, root, origin)}: {error.strerror}")
                self._by_path[path] = None
                return None
            file = ProtoFile(path, root, origin, text, scan(text))
            self._by_real_path[real] = file
            self.files.append(file)
            self._by_base_name.setdefault(os.path.basename(path), []).append(file)
        self._by_path[path] = file
        return file

    def _resolve(self) -> None:
        """Resolve the imports of all files; those that this adds come after them."""
        for file in self.files:
            for name in file.header.imports:
                file.imports[name] = self._target(file, name)

    def _target(self, file: ProtoFile, name: str) -> ProtoFile | str | None:
        if self._is_built_in(name) and name.startswith("google/protobuf/"):
            return name
        if os.path.isabs(name) or ".." in name.split("/"):
            return None
        for folder in self._import_paths:
            if target := self._on_disk(folder, name, file):
                return target
        near = [file.own_root, file.root, *_ancestors(file.folder, file.root)]
        return (
            self._below(near, name)
            or self._nearest(file, name)
            or self._above(file, name)
            or self._below(self._roots, name)
            or (name if self._is_built_in(name) else None)
            or self._without_prefix(file, name)
        )

    def _below(self, folders: Iterable[str | None], name: str) -> ProtoFile | None:
        """The collected file of a name in the first of these folders that has it."""
        for folder in folders:
            target = self._by_path.get(os.path.normpath(os.path.join(folder, name))) if folder else None
            if target is not None:
                return target
        return None

    def _nearest(self, file: ProtoFile, name: str) -> ProtoFile | None:
        """Of the collected files whose path ends with a name, that of the same path which is nearest."""
        candidates = [
            item
            for item in self._by_base_name.get(name.rpartition("/")[2], ())
            if item is not file and _posix(item.path).endswith("/" + name)
        ]
        return min(
            candidates,
            key=lambda item: (
                item.root != file.root,
                -len(os.path.commonpath([item.path, file.path])),
                len(item.path),
                item.path,
            ),
            default=None,
        )

    def _above(self, file: ProtoFile, name: str) -> ProtoFile | None:
        """The file of a name in a folder above the file's own path."""
        if self._climbs:
            for folder in _ancestors(file.root, ""):
                if target := self._on_disk(folder, name, file):
                    return target
        return None

    def _without_prefix(self, file: ProtoFile, name: str) -> ProtoFile | None:
        """The file of a name that begins with the path of its repository, as ``github.com/acme/shop/v1/shop.proto``."""
        parts = name.split("/")
        for start in range(1, len(parts) - 1):
            if (
                target := self._below([file.root], "/".join(parts[start:]))
            ) is not None and target is not file:
                return target
        return None

    def _on_disk(self, folder: str, name: str, importer: ProtoFile) -> ProtoFile | None:
        path = os.path.normpath(os.path.join(folder, name))
        if path in self._by_path:
            return self._by_path[path]
        return self._add(path, folder, importer.origin) if os.path.isfile(path) else None

    def _is_built_in(self, name: str) -> bool:
        return any((folder / name).is_file() for folder in self._built_in)

    def _merge_copies(self) -> None:
        """Make one of the files that are alike in text and imports, and none of copies of the well-known types."""
        merged: dict[ProtoFile, ProtoFile | str] = {
            file: self._well_known(file) or file for file in self.files
        }
        digests = {
            file: hashlib.sha256(file.text.encode("utf-8", "surrogateescape")).digest() for file in self.files
        }
        copy_counts = Counter(digests.values())
        copies = [file for file in self.files if copy_counts[digests[file]] > 1 and merged[file] is file]
        for _ in range(_MAX_MERGES):
            firsts: dict[object, ProtoFile] = {}
            changed = False
            for file in copies:
                targets = (
                    merged[target] if isinstance(target, ProtoFile) else target
                    for target in file.imports.values()
                )
                first = firsts.setdefault((digests[file], *targets), file)
                changed |= merged[file] is not first
                merged[file] = first
            if not changed:
                break
        for file, original in merged.items():
            if isinstance(original, ProtoFile) and original is not file:
                self.copies.setdefault(original, []).append(file)
        self.files = [file for file in self.files if merged[file] is file]
        for file in self.files:
            file.imports = {
                name: merged[target] if isinstance(target, ProtoFile) else target
                for name, target in file.imports.items()
            }

    def _well_known(self, file: ProtoFile) -> str | None:
        """The name of the well-known file that a file is a copy of."""
        if file.header.package.startswith("google.protobuf"):
            _, found, name = _posix(file.path).rpartition("/google/protobuf/")
            if found and self._is_built_in(f"google/protobuf/{name}"):
                return f"google/protobuf/{name}"
        return None

    def _name(self) -> None:
        """Give every file the name that most importers use, or that its place suggests, or a longer one."""
        names: dict[ProtoFile, Counter[str]] = {file: Counter() for file in self.files}
        for file in self.files:
            for name, target in file.imports.items():
                if isinstance(target, ProtoFile):
                    names[target][name] += 1
        taken: set[str] = {
            target for file in self.files for target in file.imports.values() if isinstance(target, str)
        }
        for file in sorted(self.files, key=lambda file: not names[file]):
            folders = [*self._import_paths, file.own_root, file.root, os.path.dirname(file.root)]
            candidates = chain(
                (name for name, _ in names[file].most_common()),
                (
                    _relative(file.path, folder)
                    for folder in folders
                    if folder and _is_below(file.path, folder)
                ),
                (f"loom-files/{number}.proto" for number in count()),
            )
            file.name = next(name for name in candidates if name not in taken and _is_valid(name))
            taken.add(file.name)


def display_path(file: ProtoFile) -> str:
    """A file's path as the user would write it."""
    return _display(file.path, file.root, file.origin)


def _display(path: str, root: str, origin: str) -> str:
    if os.path.isabs(origin) or not _is_below(path, root):
        return path
    relative = os.path.relpath(path, root)
    return os.path.join(origin, relative) if os.path.isdir(origin) else origin


def _ancestors(folder: str, top: str) -> list[str]:
    """A folder and those above it, up to ``top``."""
    folders = [folder]
    while folders[-1] != top and os.path.dirname(folders[-1]) != folders[-1]:
        folders.append(os.path.dirname(folders[-1]))
    return folders


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(os.path.join(folder, ""))


def _relative(path: str, folder: str) -> str:
    return _posix(os.path.relpath(path, folder))


def _posix(path: str) -> str:
    return path.replace(os.sep, "/")


def _is_valid(name: str) -> bool:
    """Whether protoc accepts a name as that of a file."""
    parts = name.split("/")
    return "\\" not in name and all(part not in {"", ".", ".."} for part in parts) and name.isprintable()
