"""Fenced blocks of Markdown documents."""

import re
import textwrap
from dataclasses import dataclass

_FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, whatever else its first line says, its text, and the line it begins at."""

    language: str
    attributes: str
    text: str
    line: int


def blocks(markdown: str) -> list[Block]:
    """All fenced blocks, in order."""
    found = []
    for match in _FENCE.finditer(markdown):
        language, _, attributes = match[2].partition(" ")
        line = markdown.count("\n", 0, match.start()) + 2
        found.append(Block(language, attributes, textwrap.dedent(match[3]), line))
    return found
