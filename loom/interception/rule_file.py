"""Files of rules: TOML or JSON by suffix, decoded strictly. Errors name the file, the rule and the key, or the line."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from loom.model.interception import Point

from .errors import RuleFileError

MAX_RULES = 500
MAX_ACTIONS = 64
"""The most actions of one rule."""
MAX_FILE = 16 * 1024 * 1024
"""The most bytes of a file of rules."""

_POSITION = re.compile(r"^(.*?)(?: - at `(.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([A-Za-z_-]+)(?:\[(\d+)\])?")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")
_IN_TABLE = re.compile(r"^\.(rule|fault)\[\d+\]\.?")
_BELOW_GRPC = frozenset({"reset", "goaway", "http-status", "cut"})
_ENUM = re.compile(r"Invalid enum value")


class When(Struct, forbid_unknown_fields=True):
    """Which items of a call a rule acts on."""

    point: Point | list[Point] = []
    index: str | int | None = None
    body: str = ""


class MetadataTable(Struct, forbid_unknown_fields=True):
    """What is changed of a header block."""

    set: dict[str, str] = {}
    add: dict[str, str | list[str]] = {}
    delete: list[str] = []


class ActionTable(Struct, forbid_unknown_fields=True, rename="kebab"):
    """One action: one of the keys that name it, and its parameters."""

    set: str | UnsetType = UNSET
    to: Any = UNSET
    delete: str | UnsetType = UNSET
    append: str | UnsetType = UNSET
    value: Any = UNSET
    replace: str | UnsetType = UNSET
    regex: str | UnsetType = UNSET
    with_: str | UnsetType = msgspec.field(default=UNSET, name="with")
    merge: dict[str, Any] | UnsetType = UNSET
    message: Any = UNSET
    metadata: MetadataTable | UnsetType = UNSET
    status: str | int | UnsetType = UNSET
    details: list[Any] | UnsetType = UNSET
    trailers: dict[str, str | list[str]] | UnsetType = UNSET
    deadline: str | UnsetType = UNSET
    drop: Literal[True] | UnsetType = UNSET
    duplicate: int | UnsetType = UNSET
    insert_before: Any = UNSET
    insert_after: Any = UNSET
    half_close: Literal[True] | UnsetType = UNSET
    delay: str | UnsetType = UNSET
    hold: Literal[True] | UnsetType = UNSET
    tag: str | UnsetType = UNSET
    redact: str | UnsetType = UNSET


class SelectionTable(Struct, forbid_unknown_fields=True, rename="kebab", kw_only=True):
    """What rules and faults have in common."""

    name: str = ""
    match: str
    percent: float | None = None
    every: int | None = None
    pattern: str = ""
    times: str | int | None = None
    key: str = ""
    for_: str | None = msgspec.field(default=None, name="for")
    max_active: int | None = None
    enabled: bool = True


class RuleTable(SelectionTable, forbid_unknown_fields=True, rename="kebab", kw_only=True):
    """``[[rule]]``."""

    when: When = msgspec.field(default_factory=When)
    on_error: Literal["pass", "fail"] = "pass"
    do: list[ActionTable]


class FaultTable(SelectionTable, forbid_unknown_fields=True, rename="kebab", kw_only=True):
    """``[[fault]]``."""

    at: str = ""
    status: str | int | UnsetType = UNSET
    message: str = ""
    details: list[Any] = []
    trailers: dict[str, str | list[str]] = {}
    delay: str | UnsetType = UNSET
    hang: Literal[True] | UnsetType = UNSET
    drop: Literal[True] | UnsetType = UNSET
    duplicate: int | UnsetType = UNSET
    corrupt: Literal["flip", "truncate", "garbage", True] | UnsetType = UNSET
    half_close: Literal["withhold", "early"] | UnsetType = UNSET
    responses: int | UnsetType = UNSET
    cancel_target: Literal[True] | UnsetType = UNSET
    throttle: str | UnsetType = UNSET
    oversize: str | UnsetType = UNSET


class RuleFile(Struct, forbid_unknown_fields=True):
    """A whole file."""

    rule: list[RuleTable] = []
    fault: list[FaultTable] = []


_TABLES: dict[str, type[Struct]] = {
    "rule": RuleTable,
    "fault": FaultTable,
    "do": ActionTable,
    "when": When,
    "metadata": MetadataTable,
}


def is_json_file(path: Path) -> bool:
    """Whether a file of rules is in JSON; otherwise it is in TOML."""
    return path.suffix.lower() == ".json"


def read_rule_text(path: Path) -> str:
    """The text of a file of rules; raises :class:`RuleFileError`."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE:
            raise RuleFileError(
                f"{path}: a file of rules has at most {MAX_FILE:,} bytes, and this one {size:,}"
            )
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise RuleFileError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeError as error:
        raise RuleFileError(f"{path}: is not UTF-8: {error}") from error


def parse_rule_file(content: str, origin: str, *, is_json: bool) -> RuleFile:
    """Parse the text of a file; ``origin`` is its name in errors. Raises :class:`RuleFileError`."""
    try:
        value = json.loads(content) if is_json else tomllib.loads(content)
        if is_json:
            json.dumps(
                value, ensure_ascii=False
            ).encode()  # refuses halves of surrogate pairs, which JSON can escape
    except (ValueError, RecursionError) as error:
        raise RuleFileError(f"{origin}: not valid {'JSON' if is_json else 'TOML'}: {error}") from error
    if is_json:
        value = _from_json_rules(value, origin)
    return convert_rules(value, origin)


def convert_rules(value: Any, origin: str) -> RuleFile:
    """Check decoded JSON or TOML; raises :class:`RuleFileError`."""
    try:
        file = msgspec.convert(value, RuleFile)
    except msgspec.ValidationError as error:
        text, key = _explain(error, value)
        raise RuleFileError(text, key).within(origin) from error
    count = len(file.rule) + len(file.fault)
    if count > MAX_RULES:
        raise RuleFileError(
            f"{origin}: at most {MAX_RULES} rules and faults can be loaded, and this has {count:,}"
        )
    for number, rule in enumerate(file.rule):
        if len(rule.do) > MAX_ACTIONS:
            name = _table_name("rule", number, value)
            raise RuleFileError(
                f"{origin}: {name}: a rule has at most {MAX_ACTIONS} actions, and this {len(rule.do)}"
            )
    return file


def _explain(error: msgspec.ValidationError, value: Any) -> tuple[str, str]:
    """The error of a value in the words of the file: which rule, which key, and what is allowed; and its key."""
    match = _POSITION.match(str(error))
    text, position = (match[1], match[2] or "") if match else (str(error), "")
    table: type[Struct] = RuleFile
    places = []
    key = _IN_TABLE.sub("", position.removeprefix("$"))
    for name, index in _STEP.findall(position):
        table = _TABLES.get(name, table)
        if name in {"rule", "fault"} and index:
            places.append(_table_name(name, int(index), value))
        else:
            places.append(f"{name} {int(index) + 1}" if index else name)
    unknown = _UNKNOWN.match(text)
    if unknown:
        allowed = ", ".join(item.encode_name for item in msgspec.structs.fields(table))
        text = f"unknown key {unknown[1]!r}; allowed are {allowed}"
        if unknown[1] in _BELOW_GRPC:
            text += "; no engine of Loom can inject what is below gRPC"
        key = f"{key}.{unknown[1]}".lstrip(".")
    elif _ENUM.match(text) and "point" in position:
        text += f"; allowed are {', '.join(Point)}"
    return ": ".join([*places, text]), key


def _table_name(kind: str, index: int, value: Any) -> str:
    """``rule 'its name'``, or ``rule 3``."""
    try:
        name = value[kind][index]["name"]
    except (KeyError, IndexError, TypeError):
        name = ""
    return f"{kind} {name!r}" if isinstance(name, str) and name else f"{kind} {index + 1}"


# Rules of the Go program of the same name: a list of {match, direction, set, delete, headers}.


class _GoHeaders(Struct, forbid_unknown_fields=True):
    set: dict[str, str] = {}
    add: dict[str, str] = {}
    delete: list[str] = []


class _GoRule(Struct, forbid_unknown_fields=True):
    match: str
    name: str = ""
    direction: Literal["request", "response", "both"] = "both"
    set: dict[str, Any] = {}
    delete: list[str] = []
    headers: _GoHeaders = msgspec.field(default_factory=_GoHeaders)


def _from_json_rules(value: Any, origin: str) -> Any:
    """Convert a file of the older form to one of this form; a file of this form stays."""
    if isinstance(value, dict) and value.keys() == {"rules"}:
        value = value["rules"]
    if not isinstance(value, list):
        return value
    try:
        rules = msgspec.convert(value, list[_GoRule])
    except msgspec.ValidationError as error:
        raise RuleFileError(f"{origin}: {error}") from error
    return {
        "rule": [table for number, rule in enumerate(rules, 1) for table in _convert_go_rule(rule, number)]
    }


def _convert_go_rule(rule: _GoRule, number: int) -> list[dict[str, Any]]:
    """One rule for messages and one for metadata, as far as there is something to do."""
    directions = ["request", "response"] if rule.direction == "both" else [rule.direction]
    name = rule.name or f"rule {number}"
    match = f'method:"{rule.match}"' if "*" not in rule.match else f"method:{rule.match}"
    tables = []
    edits: list[dict[str, Any]] = [{"set": path, "to": value} for path, value in rule.set.items()]
    edits += [{"delete": path} for path in rule.delete]
    if edits:
        when = {"point": [f"{direction}-message" for direction in directions]}
        tables.append({"name": name, "match": match, "when": when, "do": edits})
    headers = rule.headers
    if headers.set or headers.add or headers.delete:
        when = {"point": [f"{direction}-metadata" for direction in directions]}
        change = {"set": headers.set, "add": headers.add, "delete": headers.delete}
        suffix = " (metadata)" if edits else ""
        tables.append({"name": name + suffix, "match": match, "when": when, "do": [{"metadata": change}]})
    if not tables:
        raise RuleFileError(f"rule {number} ({rule.match}): it changes nothing: give set, delete or headers")
    return tables
