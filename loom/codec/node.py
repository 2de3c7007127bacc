"""What the views of a message are made of: a tree ready for JSON (the node of docs/api.md)."""

from typing import Any

Node = dict[str, Any]


def node(key: str, kind: str, type_name: str, *, number: int | None = None, value: Any = None) -> Node:
    """A node without children; ``kind`` and ``value`` as docs/api.md says."""
    return {
        "key": key,
        "number": number,
        "kind": kind,
        "type": type_name,
        "value": value,
        "children": [],
        "note": "",
        "more": 0,
    }


class Budget:
    """How many nodes a view may still have: a very large message shows its beginning and a number."""

    def __init__(self, nodes: int) -> None:
        self.left = nodes

    def take(self) -> bool:
        self.left -= 1
        return self.left >= 0
