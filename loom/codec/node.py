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
    """What a view may still cost: ``nodes`` made, and ``steps`` of reading (fields looked at, shown or not).

    A very large message shows its beginning and a number of what is left out; hostile bytes that invite endless
    guessing are not guessed at any longer.
    """

    def __init__(self, nodes: int, steps: int = 50_000) -> None:
        self.left = nodes
        self.steps = steps

    def take(self) -> bool:
        """Take one node; False if there is none left."""
        self.left -= 1
        return self.left >= 0
