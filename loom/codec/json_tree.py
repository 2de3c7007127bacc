"""The tree of a payload that is JSON already: the same node as for protobuf, without numbers."""

from typing import Any

from .node import Budget, Node, node

MAX_NODES = 5_000
_EXACT = 2**53  # past it an integer is text, as JavaScript would round it
_MAX_DEPTH = 100
_NAMES = {bool: "bool", int: "number", float: "number", str: "string", type(None): "null"}


def json_tree(value: Any, key: str = "", budget: Budget | None = None, depth: int = 0) -> Node:
    """A JSON value as a node."""
    budget = budget or Budget(MAX_NODES)
    if isinstance(value, dict):
        made, items = node(key, "message", "object"), list(value.items())
    elif isinstance(value, list):
        made, items = node(key, "list", "array"), [(str(index), item) for index, item in enumerate(value)]
    else:
        exact = not isinstance(value, int) or abs(value) <= _EXACT
        return node(key, "scalar", _NAMES.get(type(value), "value"), value=value if exact else str(value))
    if depth >= _MAX_DEPTH:
        return made | {"note": f"nested deeper than {_MAX_DEPTH}: not shown", "more": len(items)}
    for position, (name, item) in enumerate(items):
        if not budget.take():
            made["more"] = len(items) - position
            break
        made["children"].append(json_tree(item, name, budget, depth + 1))
    return made
