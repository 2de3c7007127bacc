"""The types of the API in TypeScript, generated for the page."""

import json
from typing import Any

import msgspec
from msgspec import NODEFAULT, Struct, inspect

from .base import Answer, Question
from .descriptions import describe_fields, describe_type
from .openapi import enumerations, may_be_absent, structures

_HEADER = """\
/**
 * The JSON of docs/reference/api.md, as types. Generated from loom/api by "make api": do not edit.
 *
 * `_us` are microseconds; pairs of numbers are [client → backend, backend → client].
 */
"""
_WIDTH = 120
_NAMES: dict[type[inspect.Type], str] = {
    inspect.AnyType: "unknown",
    inspect.BoolType: "boolean",
    inspect.IntType: "number",
    inspect.FloatType: "number",
    inspect.StrType: "string",
    inspect.NoneType: "null",
}
_BASES = (Struct, Answer, Question)


def typescript() -> str:
    """The module."""
    parts = [_HEADER]
    for kind in enumerations():
        values = " | ".join(json.dumps(item.value) for item in kind)
        line = f"export type {kind.__name__} = {values};"
        if len(line) > _WIDTH:
            line = f"export type {kind.__name__} =\n  {values};"
        parts.append(f"{line}\n")
    parts += [_interface(kind) for kind in sorted(structures(), key=lambda kind: kind.__name__)]
    return "\n".join(parts)


def _interface(kind: type[Struct]) -> str:
    base: Any = kind.__bases__[0]
    extends = "" if base in _BASES else f" extends {base.__name__}"
    inherited = set() if base in _BASES else set(base.__struct_fields__)
    descriptions = describe_fields(kind)
    lines = []
    for field in msgspec.structs.fields(kind):
        if field.name in inherited:
            continue
        if text := descriptions.get(field.name):
            lines += _comment(text, "  ")
        readonly = "" if issubclass(kind, Question) else "readonly "
        lines.append(f"  {readonly}{field.encode_name}{_mark(kind, field)}: {_type(field.type)};")
    comment = _comment(describe_type(kind), "")
    if not lines:
        return "\n".join([*comment, f"export type {kind.__name__} = Record<string, never>;\n"])
    return "\n".join([*comment, f"export interface {kind.__name__}{extends} {{", *lines, "}\n"])


def _mark(kind: type[Struct], field: msgspec.structs.FieldInfo) -> str:
    if issubclass(kind, Question):
        has_default = field.default is not NODEFAULT or field.default_factory is not NODEFAULT
        return "?" if has_default else ""
    return "?" if may_be_absent(field.type) else ""


def _comment(text: str, indent: str) -> list[str]:
    line = f"{indent}/** {text} */"
    if len(line) <= _WIDTH:
        return [line]
    lines, current = [f"{indent}/**"], f"{indent} *"
    for word in text.split():
        if len(current) + 1 + len(word) > _WIDTH:
            lines.append(current)
            current = f"{indent} *"
        current += f" {word}"
    return [*lines, current, f"{indent} */"]


def _type(kind: Any) -> str:
    return _name(inspect.type_info(kind))


def _name(info: inspect.Type) -> str:  # noqa: PLR0911 (one for each kind of type)
    if type(info) in _NAMES:
        return _NAMES[type(info)]
    match info:
        case inspect.StructType() | inspect.EnumType():
            return info.cls.__name__
        case inspect.LiteralType():
            return " | ".join(json.dumps(value) for value in info.values)
        case inspect.ListType() | inspect.VarTupleType():
            return f"readonly {_grouped(info.item_type)}[]"
        case inspect.TupleType():
            return f"readonly [{', '.join(map(_name, info.item_types))}]"
        case inspect.DictType():
            return f"Readonly<Record<string, {_name(info.value_type)}>>"
        case inspect.UnionType():
            shown = [item for item in info.types if not isinstance(item, inspect.RawType)]
            names = list(dict.fromkeys(map(_name, shown)))
            return " | ".join(sorted(names, key=lambda name: name == "null"))
    raise TypeError(f"{info} has no type in TypeScript yet")


def _grouped(info: inspect.Type) -> str:
    name = _name(info)
    return f"({name})" if " " in name else name
