"""Compile a unit of files: whatever protoc refuses is repaired or left out, and named, until it accepts the rest."""

import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from loom.schema.placeholders import used_types

from .partition import Unit, closure
from .proto_text import Rewrite, rewrite
from .proto_tree import ProtoFile, display_path
from .protoc_errors import ProtocMessage, parse_errors
from .stand_ins import is_stand_in, stand_in_files, stand_in_of

_ROOT = "loom-root.proto"
_MAX_ROUNDS = 40

Protoc = Callable[[Sequence[str]], tuple[bool, str]]
"""Runs protoc with arguments; whether it succeeded, and what it wrote to its standard error."""


@dataclass(eq=False, slots=True)
class _State:
    """What is changed in a file so that it compiles."""

    options: set[str] = field(default_factory=set)
    types: set[str] = field(default_factory=set)
    imports: set[str] = field(default_factory=set)
    enum_defaults: bool = False


@dataclass(slots=True)
class CompiledUnit:
    """The compiled files, each after its imports; ``problems`` by file, and files with ``conflicts`` in this unit.

    ``incomplete`` are the files that use types of missing imports, with the names of these imports.
    """

    files: list[tuple[ProtoFile, FileDescriptorProto]] = field(default_factory=list)
    built_in: list[FileDescriptorProto] = field(default_factory=list)
    problems: dict[ProtoFile, str] = field(default_factory=dict)
    conflicts: list[ProtoFile] = field(default_factory=list)
    incomplete: dict[ProtoFile, list[str]] = field(default_factory=dict)


def compile_unit(
    unit: Unit, protoc: Protoc, built_in: Sequence[Path], *, moves_importers: bool = True
) -> list[CompiledUnit]:
    """Compile files that include all their imports; several results if they had to be divided.

    With ``moves_importers`` files that import one with conflicts are listed as such, too, rather than compiled without
    its types.
    """
    compiler = _UnitCompiler(unit, protoc, built_in, moves_importers=moves_importers)
    if compiler.run():
        return [compiler.result]
    if len(unit) == 1:
        compiler.result.problems[unit[0]] = f"{display_path(unit[0])}: {compiler.output}"
        return [compiler.result]
    # protoc names no file: by halves, what it does not accept is found.
    middle = len(unit) // 2
    halves = (list(closure(unit[:middle])), list(closure(unit[middle:])))
    if max(map(len, halves)) == len(unit):
        halves = (unit[:middle], unit[middle:])
    return [
        result
        for half in halves
        for result in compile_unit(half, protoc, built_in, moves_importers=moves_importers)
    ]


class _UnitCompiler:
    def __init__(
        self, unit: Unit, protoc: Protoc, built_in: Sequence[Path], *, moves_importers: bool
    ) -> None:
        self.result = CompiledUnit()
        self.output = ""
        self._protoc = protoc
        self._built_in = built_in
        self._moves_importers = moves_importers
        self._files = dict.fromkeys(unit)
        self._by_name = {file.name: file for file in unit}
        self._tree = Path()
        self._bases: list[str] = []  # folders below which unchanged files are
        self._folders: set[Path] = set()
        self._written: dict[ProtoFile, Rewrite | None] = {}
        self._names_in_place: set[str] = set()
        self._states = {file: _State() for file in unit}
        self._left_out: set[ProtoFile] = set()
        self._options: set[str] = set()  # those that some file lacks: all that miss imports go without them
        self._types: dict[str, None] = {}
        self._with_missing: set[ProtoFile] = set()
        self._refused_types: set[str] = set()
        self._simple_names = frozenset().union(*(file.header.names for file in unit))

    def run(self) -> bool:
        """Compile; False if protoc fails without naming a file."""
        with tempfile.TemporaryDirectory(prefix="loom-protoc-") as folder:
            self._tree = Path(folder, "tree")
            output = Path(folder, "set.bin")
            for round_number in range(_MAX_ROUNDS + len(self._files)):
                self._find_missing()
                self._write()
                folders = [str(self._tree), *self._bases, *map(str, self._built_in)]
                # With an empty virtual path before it, a path may contain an equals sign.
                arguments = [*(f"-I={path}" for path in folders), f"--descriptor_set_out={output}"]
                succeeded, self.output = self._protoc([*arguments, "--include_imports", _ROOT])
                if succeeded and output.is_file():
                    self._finish(output.read_bytes())
                    return True
                names = [*self._by_name, *self._stand_ins()]
                reported = {f"{path}/{name}": name for path in folders for name in names}
                messages = parse_errors(self.output, reported | dict(zip(names, names, strict=True)))
                if not self._repair(messages, final=round_number >= _MAX_ROUNDS):
                    return False
        return False

    def _write(self) -> None:
        """Write what protoc compiles and cannot read from its place: changed files, and one that imports them all."""
        for file in self._files:
            change = self._change(file)
            if change != self._written.get(file):
                self._written[file] = change
                self._write_file(file.name, rewrite(file.text, change) if change else file.text)
            elif change is None and file.name not in self._names_in_place:
                self._names_in_place.add(file.name)
                if not self._is_in_place(file):
                    self._write_file(file.name, file.text)
        for name, text in self._stand_ins().items():
            self._write_file(name, text)
        # Public, so that protoc does not warn that it uses nothing of them.
        imports = "".join(f'import public "{_escaped(file.name)}";\n' for file in self._files)
        self._write_file(_ROOT, f'syntax = "proto3";\n{imports}')

    def _write_file(self, name: str, text: str) -> None:
        path = self._tree / name
        if path.parent not in self._folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._folders.add(path.parent)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))

    def _is_in_place(self, file: ProtoFile) -> bool:
        """Whether protoc finds an unchanged file below one of its folders, to which the file's may be added."""
        if not file.path.endswith(f"/{file.name}"):
            return False
        base = file.path.removesuffix(f"/{file.name}")
        if os.pathsep in base:
            return False
        for folder in self._bases:
            if folder == base:
                return True
            if Path(folder, file.name).exists():
                return False  # another file, which comes first
        self._bases.append(base)
        return True

    def _change(self, file: ProtoFile) -> Rewrite | None:
        """What to change in a file; None if nothing."""
        state = self._states[file]
        imports: dict[str, str | None] = {}
        for name, target in file.imports.items():
            if target is None or target in self._left_out:
                imports[name] = None
            elif isinstance(target, ProtoFile) and target.name != name:
                imports[name] = _escaped(target.name)
            elif isinstance(target, str) and target != name:
                imports[name] = target
        options = state.options | self._options if file in self._with_missing else state.options
        additional = sorted(state.imports | {stand_in_of(item, self._types) for item in state.types})
        if not imports and not options and not state.enum_defaults and not additional:
            return None
        return Rewrite(imports, options, additional, enum_defaults=state.enum_defaults)

    def _stand_ins(self) -> dict[str, str]:
        return stand_in_files(self._types) if self._types else {}

    def _repair(self, errors: list[ProtocMessage], *, final: bool) -> bool:
        """Change or leave out the files that errors are about; False if nothing was changed."""
        by_file: dict[ProtoFile, list[ProtocMessage]] = {}
        changed = False
        for error in errors:
            if is_stand_in(error.file):
                self._remove_types(error)
                changed = True
            else:
                own = by_file.setdefault(self._by_name[error.file], [])
                own += [] if error.is_consequence else [error]
        for file, messages in by_file.items():
            if file in self._left_out or not messages:
                continue
            # What comes of the errors of an imported file is judged when that file is repaired or left out.
            is_first = final or not any(
                item in by_file for item in closure(file.imported_files) if item is not file
            )
            changed |= self._repair_file(file, messages, is_first=is_first, final=final)
        return changed

    def _repair_file(
        self, file: ProtoFile, messages: list[ProtocMessage], *, is_first: bool, final: bool
    ) -> bool:
        """Change a file so that these errors do not come again, or leave it out; whether something was changed."""
        state = self._states[file]
        has_missing = file in self._with_missing
        repaired = False
        for message in messages:
            if final:
                break
            undefined, defined_in = message.undefined_type, message.file_to_import
            if has_missing and defined_in is not None and not is_stand_in(defined_in):
                if is_first and defined_in not in state.imports:
                    state.imports.add(defined_in)
                    repaired = True
            elif has_missing and undefined is not None:
                repaired |= self._add_type(file, *undefined, is_first=is_first)
            elif (option := message.option) is not None and option not in state.options:
                state.options.add(option)
                if has_missing:
                    self._options.add(option)
                repaired = True
            elif message.is_enum_default and has_missing and not state.enum_defaults:
                state.enum_defaults = repaired = True
        if repaired or not is_first:
            return repaired
        self._leave_out(file, messages)
        return True

    def _find_missing(self) -> None:
        """Find the files that have imports which are missing, or import such files."""
        importers: dict[ProtoFile, list[ProtoFile]] = {}
        stack: list[ProtoFile] = []
        for file in self._files:
            if any(target is None or target in self._left_out for target in file.imports.values()):
                stack.append(file)
            for target in file.imported_files:
                importers.setdefault(target, []).append(file)
        self._with_missing = set()
        while stack:
            file = stack.pop()
            if file not in self._with_missing:
                self._with_missing.add(file)
                stack += importers.get(file, ())

    def _add_type(self, file: ProtoFile, name: str, is_full: bool, *, is_first: bool) -> bool:
        """Define a type that is missing; whether that is new."""
        if not is_first and self._simple_names.intersection(name.split(".")):
            return False  # it may be defined in an imported file that has errors
        if "." not in name and not is_full:
            name = self._full_name(name, file.header.package)
        types = self._states[file].types
        if name in types or name in self._refused_types:
            return False
        self._types[name] = None
        types.add(name)
        return True

    def _full_name(self, name: str, package: str) -> str:
        """The stand-in that a simple name resolves to in a package; if there is none, one of the package itself."""
        scope = package
        while scope:
            if f"{scope}.{name}" in self._types:
                return f"{scope}.{name}"
            scope = scope.rpartition(".")[0]
        return f"{package}.{name}" if package and name not in self._types else name

    def _remove_types(self, error: ProtocMessage) -> None:
        """Remove the stand-ins that an error is about: a file that their users do not import defines them."""
        name = error.text.partition('"')[2].partition('"')[0]
        types = [
            item for item in self._types if f"{item}.".startswith(f"{name}.") or name.startswith(f"{item}.")
        ]
        for item in types or list(self._types):
            del self._types[item]
            self._refused_types.add(item)
            for state in self._states.values():
                state.types.discard(item)

    def _leave_out(self, file: ProtoFile, messages: list[ProtocMessage]) -> None:
        first = messages[0]
        position = f":{first.position}" if first.position else ""
        problem = f"{display_path(file)}{position}: {first.text}"
        undefined = {message.undefined_type[0] for message in messages if message.undefined_type}
        is_conflict = any(message.is_conflict for message in messages) or any(
            item.endswith(name) for item in self._refused_types for name in undefined
        )
        files = [file]
        if is_conflict and self._moves_importers:
            files += [item for item in self._files if item is not file and file in closure([item])]
        if is_conflict:
            self.result.conflicts += files
        for item in files:
            self.result.problems[item] = problem
            self._left_out.add(item)
            del self._files[item]

    def _finish(self, data: bytes) -> None:
        """Take the compiled files, without the stand-ins."""
        for proto in FileDescriptorSet.FromString(data).file:
            file = self._by_name.get(proto.name)
            if file is None:
                if proto.name != _ROOT and not is_stand_in(proto.name):
                    self.result.built_in.append(proto)
                continue
            if stand_ins := [name for name in proto.dependency if is_stand_in(name)]:
                self.result.incomplete[file] = self._missing_imports(file, proto)
                _replace_imports(proto, stand_ins, self.result.incomplete[file])
            self.result.files.append((file, proto))

    def _missing_imports(self, file: ProtoFile, proto: FileDescriptorProto) -> list[str]:
        """The missing imports that should have the types of stand-ins which a file uses, as far as their names show."""
        used = {name.lstrip(".") for name in used_types(proto)}.intersection(self._types)
        packages = {name.rpartition(".")[0] for name in used}
        names: list[str] = []
        # If its own are all there, those of a file that it imports are missing.
        for files in ([file], closure([file])):
            names = [
                target.name if isinstance(target, ProtoFile) else name
                for item in files
                for name, target in item.imports.items()
                if target is None or target in self._left_out
            ]
            if names:
                break
        of_options = {option.rpartition(".")[0] for option in self._options}
        likely = [name for name in names if _package_of(name) in packages]
        possible = [name for name in names if _package_of(name) not in of_options]
        return list(dict.fromkeys(likely or possible or names))


def _package_of(name: str) -> str:
    """The package that the folder of a file suggests."""
    return name.rpartition("/")[0].replace("/", ".")


def _replace_imports(file: FileDescriptorProto, names: Collection[str], replacements: Iterable[str]) -> None:
    """Replace imports, which are the last ones, by others."""
    remaining = [name for name in file.dependency if name not in names]
    del file.dependency[:]
    file.dependency.extend(dict.fromkeys([*remaining, *replacements]))


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')
