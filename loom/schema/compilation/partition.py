"""Divide files into units: a descriptor pool accepts each symbol once, a tree may define it more often."""

from collections.abc import Collection, Iterable

from .proto_tree import ProtoFile

Unit = list[ProtoFile]
"""Files with everything that they import."""


def partition(files: Iterable[ProtoFile]) -> list[Unit]:
    """Units in which no two files define the same symbol, as far as scanning can tell; each file is in at least one."""
    units: list[dict[ProtoFile, None]] = []
    symbols: list[dict[str, ProtoFile]] = []
    placed: set[ProtoFile] = set()
    for file in files:
        if file in placed:
            continue
        for unit, defined in zip(units, symbols, strict=True):
            further = closure([file], unit)
            if not any(
                defined.get(symbol, item) is not item for item in further for symbol in item.header.symbols
            ):
                break
        else:
            unit, defined = {}, {}
            units.append(unit)
            symbols.append(defined)
            further = closure([file])
        for item in further:
            unit[item] = None
            defined |= dict.fromkeys(item.header.symbols, item)
        placed.update(further)
    return [list(unit) for unit in units]


def closure(files: Iterable[ProtoFile], stop: Collection[ProtoFile] = ()) -> dict[ProtoFile, None]:
    """Files with everything that they import, except what is ``known``."""
    result: dict[ProtoFile, None] = {}
    stack = list(files)
    while stack:
        file = stack.pop()
        if file not in result and file not in stop:
            result[file] = None
            stack += file.imported_files
    return result
