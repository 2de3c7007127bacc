"""Splits a filter into comma lists of terms and values, whatever the values are.

filter   = [ group { SPACE group } ]
group    = [ "-" ] item { "," item }
item     = [ TERM ":" ] value          ; without TERM: the one before it in the list, else bare
value    = [ FIELD "=" ] ( WORD | QUOTED | REGEX )    ; FIELD for meta: and body: only
QUOTED   = '"' { any | '\\"' | '\\\\' } '"'
REGEX    = "/" any { any | "\\/" } "/" [ "i" ]        ; followed by a space, a comma or the end
"""

import enum
import re
from collections.abc import Container
from dataclasses import dataclass

from .error import FilterError

_TERM = re.compile(r"([A-Za-z][A-Za-z_.]*):")
_FIELD = re.compile(r'([^\s,"=/:]+)=')
_WORD = re.compile(r"[^\s,]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_REGEX = re.compile(r"/((?:[^/\\]|\\.)+)/(i?)(?=[\s,]|$)")
_SPACE = re.compile(r"\s*")
_FIELD_TERMS = ("meta", "body")


class Form(enum.Enum):
    """How a value was written: a word may contain wildcards, quoted text is literal."""

    WORD = "word"
    QUOTED = "quoted"
    REGEX = "regex"


@dataclass(frozen=True, slots=True)
class Value:
    """A value and the column at which it begins. ``field`` is the part before ``=``, if any."""

    text: str
    form: Form
    column: int
    field: str = ""
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """A term's name ("" for a bare value) and its value."""

    term: str
    column: int
    value: Value


@dataclass(frozen=True, slots=True)
class Group:
    """Items of which any may match, or, if ``negated``, none."""

    items: tuple[Item, ...]
    negated: bool
    column: int


def scan(text: str, terms: Container[str]) -> list[Group]:
    """Split a filter; ``terms`` are the names of terms. Raises :class:`FilterError`."""
    return _Scanner(text, terms).groups()


class _Scanner:
    def __init__(self, text: str, terms: Container[str]) -> None:
        self._text = text
        self._terms = terms
        self._at = 0

    def groups(self) -> list[Group]:
        groups = []
        self._skip_space()
        while self._at < len(self._text):
            groups.append(self._group())
            self._skip_space()
        return groups

    def _skip_space(self) -> None:
        match = _SPACE.match(self._text, self._at)
        if match is not None:
            self._at = match.end()

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _group(self) -> Group:
        start = self._at
        negated = self._next() == "-"
        if negated:
            self._at += 1
            if not self._next() or self._next().isspace():
                raise FilterError("there is nothing after the '-'", start, "as in -status:OK")
            if self._next() == "-":
                raise FilterError("one '-' is enough", self._at, "as in -status:OK")
        items = [self._item("")]
        while self._next() == ",":
            self._at += 1
            items.append(self._item(items[-1].term))
        following = self._next()
        if following and not following.isspace():
            raise FilterError(f"a space or a comma is missing before {following!r}", self._at)
        return Group(tuple(items), negated, start)

    def _item(self, term: str) -> Item:
        column = self._at
        match = _TERM.match(self._text, self._at)
        if match is not None:
            name = match[1].lower()
            if name in self._terms:
                term = name
                self._at = match.end()
            elif not term:
                raise FilterError(
                    f"unknown term {match[1]!r}", column, 'quote it to look for the text: "a:b"'
                )
        return Item(term, column, self._value(term))

    def _value(self, term: str) -> Value:
        column = self._at
        field = ""
        if term in _FIELD_TERMS:
            match = _FIELD.match(self._text, self._at)
            if match is not None:
                field = match[1]
                self._at = match.end()
        start = self._at
        if self._next() == '"':
            match = _QUOTED.match(self._text, self._at)
            if match is None:
                raise FilterError("the quote is not closed", start)
            self._at = match.end()
            return Value(re.sub(r"\\(.)", r"\1", match[1], flags=re.DOTALL), Form.QUOTED, column, field)
        match = _REGEX.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
            pattern = match[1].replace("\\/", "/")
            return Value(pattern, Form.REGEX, column, field, ignore_case=bool(match[2]))
        match = _WORD.match(self._text, self._at)
        if match is None:
            if field:
                return Value("", Form.QUOTED, column, field)
            raise FilterError(f"{term}: needs a value" if term else "a value is missing here", start)
        self._at = match.end()
        return Value(match[0], Form.WORD, column, field)
