"""Tables of rules as the text of a file, in TOML or JSON."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from loom.model.interception import ActionKind

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LINE = 100  # characters of a value on one line

Table = Mapping[str, Any]


def table_of(struct: Struct) -> dict[str, Any]:
    """A table as it is written in a file: without the keys that have their defaults."""
    table: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        if value is UNSET or value == _default(field):
            continue
        table[field.encode_name] = _plain(value)
    return table


def _plain(value: Any) -> Any:
    if isinstance(value, Struct):
        return table_of(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.value if hasattr(value, "value") else value


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def to_json(tables: Iterable[tuple[ActionKind, Table]]) -> str:
    """A file of rules in JSON."""
    return json.dumps(_grouped(tables), indent=2, ensure_ascii=False) + "\n"


def to_toml(tables: Iterable[tuple[ActionKind, Table]]) -> str:
    """A file of rules in TOML; raises ValueError for a null, which TOML does not have."""
    parts = []
    for kind, group in _grouped(tables).items():
        for table in group:
            lines = [f"[[{kind}]]", *(f"{_key(name)} = {_value(value, 0)}" for name, value in table.items())]
            parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _grouped(tables: Iterable[tuple[ActionKind, Table]]) -> dict[str, list[Table]]:
    groups: dict[str, list[Table]] = {}
    for kind in (ActionKind.RULE, ActionKind.FAULT):
        if group := [table for other, table in tables if other is kind]:
            groups[kind.value] = group
    return groups


def _value(value: Any, depth: int) -> str:
    """A value; a list that is long for one line has a line for each element, which an inline table cannot have."""
    match value:
        case bool() | int() | float():
            return json.dumps(value)
        case str():
            return _text(value)
        case list():
            line = f"[{', '.join(_value(item, depth + 1) for item in value)}]"
            if depth or len(line) <= _LINE:
                return line
            return "[\n" + "".join(f"  {_value(item, depth + 1)},\n" for item in value) + "]"
        case dict():
            items = ", ".join(f"{_key(name)} = {_value(item, depth + 1)}" for name, item in value.items())
            return f"{{ {items} }}" if items else "{}"
        case _:
            raise ValueError("TOML has no null: use JSON")


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _text(name)


def _text(text: str) -> str:
    """A basic string, whose escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
