"""The tree of a payload that is JSON already: the same node as for protobuf, without numbers."""

from typing import Any

from .node import Budget, Node, node

MAX_NODES = 5_000
_NAMES = {bool: "bool", int: "number", float: "number", str: "string", type(None): "null"}


def json_tree(value: Any, key: str = "", budget: Budget | None = None) -> Node:
    """A JSON value as a node."""
    budget = budget or Budget(MAX_NODES)
    if isinstance(value, dict):
        made, items = node(key, "message", "object"), list(value.items())
    elif isinstance(value, list):
        made, items = node(key, "list", "array"), [(str(index), item) for index, item in enumerate(value)]
    else:
        return node(key, "scalar", _NAMES.get(type(value), "value"), value=value)
    for position, (name, item) in enumerate(items):
        if not budget.take():
            made["more"] = len(items) - position
            break
        made["children"].append(json_tree(item, name, budget))
    return made
