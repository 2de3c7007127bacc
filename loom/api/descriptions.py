"""Descriptions of the structures and their fields, read from the source: docstrings and the literals under fields."""

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise

from msgspec import Struct


def describe_type(kind: type) -> str:
    """The docstring in one line."""
    return _join(inspect.cleandoc(kind.__doc__ or ""))


@cache
def describe_fields(kind: type[Struct]) -> dict[str, str]:
    """The description of every field by its name in Python, those of base classes included.

    Fields are without a description where the source is not available.
    """
    descriptions: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if issubclass(base, Struct) and base is not Struct:
            descriptions |= _own_fields(base)
    return descriptions


@cache
def _own_fields(kind: type[Struct]) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(kind))
    except (OSError, TypeError):
        return {}
    [definition] = ast.parse(source).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101 (it is the source of a class)
    descriptions: dict[str, str] = {}
    body = definition.body
    for statement, following in pairwise(body):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        literal = following.value if isinstance(following, ast.Expr) else None
        if isinstance(literal, ast.Constant) and isinstance(literal.value, str):
            descriptions[statement.target.id] = _join(inspect.cleandoc(literal.value))
    return descriptions


def _join(text: str) -> str:
    return " ".join(text.split())
