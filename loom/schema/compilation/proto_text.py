"""Scan the text of ``.proto`` files for what they import and define, and rewrite it so that protoc accepts it."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

_STRING = r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'"
_COMMENT = r"//[^\n]*|/\*.*?\*/"
_STRING_OR_COMMENT = re.compile(f"{_STRING}|{_COMMENT}", re.DOTALL)
_PACKAGE = re.compile(r"(?:^|;)\s*package\s+([\w.]+)\s*;", re.MULTILINE)
_IMPORT = re.compile(rf"(?<![\w.])import\s+(?:public\s+|weak\s+|option\s+)?({_STRING})\s*;")
# A heuristic, as protoc finds what it misses: what is outermost is rarely indented.
_DEFINITION = re.compile(r"^(?:message|enum|service)\s+(\w+)", re.MULTILINE)
_NAME = re.compile(r"(?<![\w.])(?:message|enum|service)\s+(\w+)")
_EXTEND = re.compile(r"(?<![\w.])extend\s")
_TOKEN = re.compile(rf"{_COMMENT}|{_STRING}|[A-Za-z_][\w.]*|\S", re.DOTALL)
_OPEN, _CLOSE = "{[(<", "}])>"
_LITERALS = {"true", "false", "inf", "nan"}


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself.

    ``imports`` are the names that it imports, ``symbols`` the full names that it defines outermost, ``names`` the
    simple names of all that it defines.
    """

    package: str
    imports: tuple[str, ...]
    symbols: tuple[str, ...]
    names: frozenset[str]
    has_extensions: bool


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What to change in a file: ``imports`` by name (None removes one), ``options`` by extension name to remove.

    ``additional_imports`` are appended. ``enum_defaults`` removes the defaults of fields that name an enum value.
    """

    imports: Mapping[str, str | None]
    options: Collection[str] = ()
    additional_imports: Sequence[str] = ()
    enum_defaults: bool = False


def scan(text: str) -> Header:
    """What a file imports and defines; fast rather than exact."""
    text = _STRING_OR_COMMENT.sub(_without_comment, text)
    match = _PACKAGE.search(text)
    package = match[1] if match else ""
    prefix = f"{package}." if package else ""
    return Header(
        package=package,
        imports=tuple(dict.fromkeys(name[1:-1] for name in _IMPORT.findall(text))),
        symbols=tuple(prefix + name for name in _DEFINITION.findall(text)),
        names=frozenset(_NAME.findall(text)),
        has_extensions=_EXTEND.search(text) is not None,
    )


def _without_comment(match: re.Match[str]) -> str:
    return match[0] if match[0][0] in "\"'" else " "


def rewrite(text: str, change: Rewrite) -> str:
    """The text with a change; what stays keeps its line."""
    tokens = [match for match in _TOKEN.finditer(text) if not match[0].startswith(("//", "/*"))]
    edits: list[tuple[int, int, str]] = []
    previous, index = ";", 0
    while index < len(tokens):
        word = tokens[index][0]
        if word == "import" and previous in ";}":
            index = _edit_import(text, tokens, index, change, edits)
        elif word == "option" and previous in ";{}":
            index = _edit_option(text, tokens, index, change, edits)
        elif word == "[":
            index = _edit_list(text, tokens, index, change, edits)
        previous = tokens[index][0] if index < len(tokens) else ";"
        index += 1
    parts: list[str] = []
    position = 0
    for start, end, replacement in edits:
        parts += (text[position:start], replacement)
        position = end
    parts.append(text[position:])
    parts += (f'\nimport "{name}";\n' for name in change.additional_imports)
    return "".join(parts)


_Tokens = list[re.Match[str]]
_Edits = list[tuple[int, int, str]]


def _edit_import(text: str, tokens: _Tokens, start: int, change: Rewrite, edits: _Edits) -> int:
    """Edit the import that starts at a token; the index of its last token."""
    end = _statement_end(tokens, start)
    for token in tokens[start:end]:
        if token[0][0] in "\"'" and token[0][1:-1] in change.imports:
            name = change.imports[token[0][1:-1]]
            if name is None:
                edits.append(_blank(text, tokens[start].start(), tokens[end].end()))
            else:
                edits.append((token.start(), token.end(), f'"{name}"'))
    return end


def _edit_option(text: str, tokens: _Tokens, start: int, change: Rewrite, edits: _Edits) -> int:
    """Edit the option statement that starts at a token; the index of its last token."""
    end = _statement_end(tokens, start)
    if _extension_name(tokens, start + 1) in change.options:
        edits.append(_blank(text, tokens[start].start(), tokens[end].end()))
    return end


def _edit_list(text: str, tokens: _Tokens, start: int, change: Rewrite, edits: _Edits) -> int:
    """Edit the options in brackets that start at a token; the index of their last token."""
    elements, end = _elements(tokens, start)
    remaining = [(first, last) for first, last in elements if not _is_removed(tokens, first, change)]
    if len(remaining) < len(elements):
        begin, stop = tokens[start].start(), tokens[end].end()
        inside = ", ".join(text[tokens[first].start() : tokens[last].end()] for first, last in remaining)
        replacement = f"[{inside}]" if remaining else ""
        lines = text.count("\n", begin, stop) - replacement.count("\n")
        edits.append((begin, stop, replacement + "\n" * lines))
    return end


def _is_removed(tokens: _Tokens, first: int, change: Rewrite) -> bool:
    """Whether an element of a list of options is removed."""
    if _extension_name(tokens, first) in change.options:
        return True
    value = tokens[first + 2][0] if first + 2 < len(tokens) else ""
    is_name = (value[:1].isalpha() or value[:1] == "_") and value not in _LITERALS
    return change.enum_defaults and tokens[first][0] == "default" and is_name


def _extension_name(tokens: _Tokens, index: int) -> str | None:
    """The extension that an option's name starts with, as in ``(acme.rules).min``."""
    if index + 1 < len(tokens) and tokens[index][0] == "(":
        name = ""
        for position in range(index + 1, len(tokens)):
            if tokens[position][0] == ")":
                return name.lstrip(".")
            name += tokens[position][0]
    return None


def _statement_end(tokens: _Tokens, index: int) -> int:
    """The index of the semicolon that ends a statement, or of the last token."""
    for position, depth in _depths(tokens, index):
        if depth == 0 and tokens[position][0] == ";":
            return position
    return len(tokens) - 1


def _elements(tokens: _Tokens, start: int) -> tuple[list[tuple[int, int]], int]:
    """The first and last token of each element of a bracketed list, and the index of the closing bracket."""
    elements: list[tuple[int, int]] = []
    first = start + 1
    for position, depth in _depths(tokens, start):
        closes = depth == 0 and position > start
        if closes or (depth == 1 and tokens[position][0] == ","):
            if position > first:
                elements.append((first, position - 1))
            first = position + 1
        if closes:
            return elements, position
    return elements, len(tokens) - 1


def _depths(tokens: _Tokens, start: int) -> Iterator[tuple[int, int]]:
    """Each token's index with the number of brackets that are open after it."""
    depth = 0
    for position in range(start, len(tokens)):
        token = tokens[position][0]
        if token in _OPEN:
            depth += 1
        elif token in _CLOSE:
            depth -= 1
        yield position, depth


def _blank(text: str, start: int, end: int) -> tuple[int, int, str]:
    return start, end, "\n" * text.count("\n", start, end)
