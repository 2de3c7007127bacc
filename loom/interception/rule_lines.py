"""The lines of a file at which its rules begin."""

import json
import re
from collections.abc import Sequence
from itertools import islice

_TOML_TABLES = {
    kind: re.compile(rf"^[ \t]*\[\[[ \t]*[\"']?{kind}[\"']?[ \t]*\]\]", re.MULTILINE)
    for kind in ("rule", "fault")
}


def find_rule_lines(content: str, kind: str, names: Sequence[str], *, is_json: bool) -> list[int]:
    """The line, from 1, of each table of a ``kind`` (rule or fault), 0 where it is unknown.

    ``names`` are the names of these tables in their order, "" for those without. A file in TOML is searched for the
    headers of its tables, one in JSON for names.
    """
    if is_json:
        return [_find_name(content, name) for name in names]
    positions = [match.start() for match in _TOML_TABLES[kind].finditer(content)]
    if len(positions) != len(names):  # inline tables, or what looks like a header within a text
        return [0] * len(names)
    return [content.count("\n", 0, position) + 1 for position in positions]


def _find_name(content: str, name: str) -> int:
    pattern = re.compile(rf"\"name\"\s*:\s*{re.escape(json.dumps(name, ensure_ascii=False))}")
    matches = [match.start() for match in islice(pattern.finditer(content), 2)]
    return content.count("\n", 0, matches[0]) + 1 if name and len(matches) == 1 else 0
