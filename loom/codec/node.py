"""The nodes of a message's tree, ready for JSON (the node of docs/api.md), and the budget of a tree."""

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
    """Limits the cost of a tree: ``nodes`` built, and ``steps``, which are fields parsed, shown or not.

    A very large message shows its beginning and the number of nodes that are left out. Hostile bytes, which fit endless
    interpretations, exhaust the steps.
    """

    def __init__(self, nodes: int, steps: int = 50_000) -> None:
        self.left = nodes
        self.steps = steps

    def take(self) -> bool:
        """Use one node; False if there is none left."""
        self.left -= 1
        return self.left >= 0
