"""Builds the nodes of a message's tree, and limits its cost."""

from typing import Any

from loom.api.messages import Node, NodeKind

__all__ = ["Budget", "Node", "node"]


def node(key: str, kind: NodeKind, type_name: str, *, number: int | None = None, value: Any = None) -> Node:
    """A node without children."""
    return Node(key=key, number=number, kind=kind, type=type_name, value=value)


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
