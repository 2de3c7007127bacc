"""Tests assert something, and wait for events rather than for time to pass."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py") if "node_modules" not in path.parts)
PAUSING = {ROOT / "support" / "quiescence.py"}
"""Files that may pause, each with its reason in its docstring."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def calls_in(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Each call with the last part of the name of what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id, node
            elif isinstance(node.func, ast.Attribute):
                yield node.func.attr, node


def asserts(function: Function) -> bool:
    """Whether a function asserts in its own body; a program that must succeed (``check=True``) counts."""
    if any(isinstance(node, ast.Assert) for node in ast.walk(function)):
        return True
    return any(
        name in {"raises", "warns", "fail", "expect"} or any(word.arg == "check" for word in call.keywords)
        for name, call in calls_in(function)
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_sleeps(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    pauses = [
        call.lineno
        for name, call in calls_in(tree)
        if name == "wait_for_timeout"
        or (name == "sleep" and not (isinstance(call.args[0], ast.Constant) and call.args[0].value == 0))
    ]
    assert pauses == [] or path in PAUSING


def test_every_test_asserts() -> None:
    """Directly, or through a function of the tests that does."""
    called: defaultdict[str, set[str]] = defaultdict(set)
    asserting: set[str] = set()
    tests: list[str] = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, Function):
                name = (
                    f"{path.relative_to(ROOT)}::{node.name}" if node.name.startswith("test_") else node.name
                )
                if node.name.startswith("test_"):
                    tests.append(name)
                called[name] |= {callee for callee, _ in calls_in(node)}
                if asserts(node):
                    asserting.add(name)
    while more := {name for name, callees in called.items() if name not in asserting and callees & asserting}:
        asserting |= more
    assert [name for name in tests if name not in asserting] == []
