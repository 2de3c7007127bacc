"""The generated parts of docs/reference/api.md: tables of endpoints' parameters and of structures' fields."""

import re
import textwrap
from typing import Any

import msgspec
from msgspec import Struct, inspect

from .base import Answer
from .descriptions import describe_fields, describe_type
from .endpoints import ENDPOINTS, Endpoint
from .openapi import may_be_absent, structures

_WIDTH = 120
_BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_NAMES: dict[type[inspect.Type], str] = {
    inspect.AnyType: "JSON",
    inspect.BoolType: "boolean",
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.StrType: "string",
    inspect.NoneType: "null",
}


def fill(document: str) -> str:
    """The document, with the parts between ``<!-- generated: NAME -->`` and ``<!-- end -->`` regenerated."""
    blocks = {"parameters": _parameters(), "fields": _fields()}
    return _BLOCK.sub(lambda match: f"{match[1]}\n{blocks[match[2]]}\n{match[3]}", document)


def _parameters() -> str:
    lines = ["| request | parameter | type | default | |", "| --- | --- | --- | --- | --- |"]
    for endpoint in ENDPOINTS:
        lines += _parameter_rows(endpoint)
    return "\n".join([*lines, ""])


def _parameter_rows(endpoint: Endpoint) -> list[str]:
    if endpoint.parameters is None:
        return []
    descriptions = describe_fields(endpoint.parameters)
    return [
        f"| `{endpoint.method} {endpoint.path}` | `{field.encode_name}` | {_type(field.type)} "
        f"| {_default(field)} | {_cell(descriptions.get(field.name, ''))} |"
        for field in msgspec.structs.fields(endpoint.parameters)
    ]


def _default(field: msgspec.structs.FieldInfo) -> str:
    default = field.default
    if isinstance(default, bool):
        return "1" if default else "0"
    return "" if default in (None, "", msgspec.NODEFAULT) else f"{default}"


def _fields() -> str:
    kinds = sorted(structures(), key=lambda kind: kind.__name__)
    return "\n".join(_table(kind) for kind in kinds if kind.__struct_fields__)


def _table(kind: type[Struct]) -> str:
    base: Any = kind.__bases__[0]
    inherited = (
        set(base.__struct_fields__) if base.__name__ in {item.__name__ for item in structures()} else set()
    )
    more = f" Also has the fields of [{base.__name__}](#{base.__name__.lower()})." if inherited else ""
    lines = [
        f"### {kind.__name__}",
        "",
        textwrap.fill(f"{describe_type(kind)}{more}", _WIDTH, break_long_words=False, break_on_hyphens=False),
        "",
        "| field | type | |",
        "| --- | --- | --- |",
    ]
    descriptions = describe_fields(kind)
    for field in msgspec.structs.fields(kind):
        if field.name not in inherited:
            text = _cell(descriptions.get(field.name, ""))
            absent = ", may be absent" if _optional(kind, field) else ""
            lines.append(f"| `{field.encode_name}` | {_type(field.type)}{absent} | {text} |")
    return "\n".join([*lines, ""])


def _optional(kind: type[Struct], field: msgspec.structs.FieldInfo) -> bool:
    return may_be_absent(field.type) if issubclass(kind, Answer) else not field.required


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _type(kind: Any) -> str:
    return _name(inspect.type_info(kind))


def _name(info: inspect.Type) -> str:  # noqa: PLR0911 (one for each kind of type)
    if type(info) in _NAMES:
        return _NAMES[type(info)]
    match info:
        case inspect.StructType():
            return f"[{info.cls.__name__}](#{info.cls.__name__.lower()})"
        case inspect.EnumType():
            return " or ".join(f"`{item.value}`" for item in info.cls)
        case inspect.LiteralType():
            return " or ".join(f"`{value}`" if value != "" else "empty" for value in info.values)
        case inspect.ListType() | inspect.VarTupleType():
            return f"array of {_name(info.item_type)}"
        case inspect.TupleType():
            return f"[{', '.join(map(_name, info.item_types))}]"
        case inspect.DictType():
            return f"object of {_name(info.value_type)}"
        case inspect.UnionType():
            shown = [item for item in info.types if not isinstance(item, inspect.RawType)]
            names = list(dict.fromkeys(map(_name, shown)))
            return " or ".join(sorted(names, key=lambda name: name == "null"))
    raise TypeError(f"{info} has no name in the reference yet")
