"""Build the tree of a JSON payload, with the same nodes as for protobuf but without field numbers."""

from typing import Any

from .node import Budget, Node, node

MAX_NODES = 5_000
_MAX_EXACT_INTEGER = 2**53  # JavaScript rounds a larger one, which therefore becomes text
_MAX_DEPTH = 100
_TYPE_NAMES = {bool: "bool", int: "number", float: "number", str: "string", type(None): "null"}


def json_tree(value: Any, key: str = "", budget: Budget | None = None, depth: int = 0) -> Node:
    """The node of a JSON value."""
    budget = budget or Budget(MAX_NODES)
    if isinstance(value, dict):
        tree, items = node(key, "message", "object"), list(value.items())
    elif isinstance(value, list):
        tree, items = node(key, "list", "array"), [(str(index), item) for index, item in enumerate(value)]
    else:
        exact = not isinstance(value, int) or abs(value) <= _MAX_EXACT_INTEGER
        return node(
            key, "scalar", _TYPE_NAMES.get(type(value), "value"), value=value if exact else str(value)
        )
    if depth >= _MAX_DEPTH:
        tree.note, tree.more = f"nested deeper than {_MAX_DEPTH}: not shown", len(items)
        return tree
    for position, (name, item) in enumerate(items):
        if not budget.take():
            tree.more = len(items) - position
            break
        tree.children.append(json_tree(item, name, budget, depth + 1))
    return tree
