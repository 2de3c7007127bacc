"""The private API of grpcio is used by the facade alone, private attributes included."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import loom

PACKAGE = Path(loom.__file__).parent
FACADE = PACKAGE / "grpc_core" / "facade.py"
MODULES = sorted(PACKAGE.rglob("*.py"))


def private_uses(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("grpc._"):
            yield f"from {node.module}"
        elif isinstance(node, ast.ImportFrom) and node.module == "grpc":
            yield from (f"grpc.{item.name}" for item in node.names if item.name.startswith("_"))
        elif isinstance(node, ast.Import):
            yield from (item.name for item in node.names if item.name.startswith("grpc._"))
        elif isinstance(node, ast.Attribute) and is_private(node):
            yield ast.unparse(node)


def is_private(node: ast.Attribute) -> bool:
    text = ast.unparse(node)
    if node.attr == "_credentials":
        return text != "self._credentials"
    return text.startswith("grpc._") and not text.startswith("grpc.__")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_facade_uses_what_is_private_in_grpcio(path: Path) -> None:
    assert bool(list(private_uses(path))) == (path == FACADE)
