"""Print a message's tree on one line, for a list."""

from .node import Node

MAX_LENGTH = 200
_MAX_CHILDREN = 12


def preview(tree: Node, max_length: int = MAX_LENGTH) -> str:
    """The fields in a short text form of at most ``max_length`` characters."""
    parts: list[str] = []
    _write(tree, parts, [max_length], top=True)
    text = "".join(parts)
    return text if len(text) <= max_length else text[: max_length - 1] + "…"


def _write(node: Node, parts: list[str], room: list[int], *, top: bool = False) -> None:
    if room[0] <= 0:
        return
    kind, value = node.kind, node.value
    if kind in {"scalar", "unknown"} and isinstance(value, str) and node.type in {"string", "len: string"}:
        _put(parts, room, '"' + value[: room[0] + 1].replace("\n", "⏎") + '"')
    elif kind == "bytes":
        _put(parts, room, f"<{_decoded_size(value)} bytes>")
    elif value is not None and kind != "any" and not isinstance(value, dict | list):
        _put(parts, room, str(value).lower() if isinstance(value, bool) else str(value))
    else:
        _nested(node, parts, room, top=top)


def _nested(node: Node, parts: list[str], room: list[int], *, top: bool) -> None:
    opening, closing = ("[", "]") if node.kind == "list" else ("{", "}")
    if not top:
        _put(parts, room, opening)
    for position, child in enumerate(node.children[:_MAX_CHILDREN]):
        if position:
            _put(parts, room, ", ")
        if node.kind != "list":
            _put(parts, room, f"{child.key}: ")
        _write(child, parts, room)
    left = len(node.children) - _MAX_CHILDREN + node.more
    if left > 0:
        _put(parts, room, ", …")
    if not top:
        _put(parts, room, closing)


def _put(parts: list[str], room: list[int], text: str) -> None:
    parts.append(text)
    room[0] -= len(text)


def _decoded_size(value: object) -> int:
    text = str(value or "")
    return len(text) * 3 // 4 - text.count("=", -2)
