"""Stand-ins: ``.proto`` files that define, without fields, the types of imports that are missing."""

from collections.abc import Collection, Iterable

_FOLDER = "loom-stand-ins/"


def is_stand_in(name: str) -> bool:
    """Whether a file is a stand-in."""
    return name.startswith(_FOLDER)


def stand_in_of(type_name: str, types: Collection[str]) -> str:
    """The name of the file with one of these types: that of the package of the type, or of the one that it is in."""
    package = scope = type_name.rpartition(".")[0]
    while scope:
        if scope in types:
            package = scope.rpartition(".")[0]
        scope = scope.rpartition(".")[0]
    return _file_name(package)


def stand_in_files(types: Iterable[str]) -> dict[str, str]:
    """The text of a file for each package, by the file's name.

    Every type is a message that anything may extend: a field of an enum type then shows as an unknown field.
    """
    names = _with_scopes(set(types))
    inner: dict[str, list[str]] = {}
    for name in names:
        inner.setdefault(name.rpartition(".")[0], []).append(name)

    def message(name: str) -> str:
        body = "".join(map(message, inner.get(name, ())))
        return f"message {name.rpartition('.')[2]} {{ {body}extensions 1 to max; }}\n"

    packages = {scope: items for scope, items in inner.items() if scope not in names}
    files: dict[str, str] = {}
    for package, items in packages.items():
        statement = f"package {package};\n" if package else ""
        files[_file_name(package)] = f'syntax = "proto2";\n{statement}{"".join(map(message, items))}'
    return files


def _with_scopes(types: set[str]) -> list[str]:
    """The types, with the messages between a type and another that it is nested in."""
    names = set(types)
    for name in types:
        scopes: list[str] = []
        scope = name.rpartition(".")[0]
        while scope:
            if scope in types:
                names.update(scopes)
            scopes.append(scope)
            scope = scope.rpartition(".")[0]
    return sorted(names)


def _file_name(package: str) -> str:
    return f"{_FOLDER}{package or '-'}.proto"
