"""Rules, compiled: the tables of a file become matches, selections and actions, checked before any call."""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from loom.codec.field_path import PathError
from loom.model.interception import ActionKind, FinalStatus, Point
from loom.recording.query import FilterError, Query

from . import actions as act
from .amounts import Range, parse_duration, parse_range
from .errors import EditError, RuleFileError
from .final_status import check_key
from .matching import CallMatch, parse_body, parse_match
from .rule_actions import compile_action
from .rule_file import RuleTable, SelectionTable, When
from .selection import Selection

T = TypeVar("T")

_MAX_PERCENT = 100
_MAX_NAME = 200  # characters


class Timer(NamedTuple):
    """What happens ``seconds`` after a call's start: it ends with ``final``; None: the target's call is cancelled."""

    seconds: float
    final: FinalStatus | None

    @property
    def effect(self) -> str:
        """What it does in words."""
        what = "cancel only towards the target" if self.final is None else f"status {self.final.status.name}"
        return f"{what} after {self.seconds:g} s"


class RuleSource(enum.StrEnum):
    """What rules come from."""

    FILE = "file"
    FLAG = "flag"
    API = "api"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a rule comes from; of a file its path and the line, 0 where that is not known."""

    source: RuleSource
    path: str = ""
    line: int = 0


_FLAG = Origin(RuleSource.FLAG)


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled rule or fault.

    ``actions`` act at the messages with an ``index`` and a ``body`` as given, None for all, and on items that come
    ``from_seconds`` after the call's start or later. ``table`` is what it was compiled from. What a rule that
    ``reads_metadata`` does is in the metadata of each call: see :mod:`.fault_headers`.
    """

    kind: ActionKind
    name: str
    match: CallMatch
    selection: Selection
    actions: tuple[act.ItemAction, ...]
    index: Range | None = None
    body: Query | None = None
    fails_on_error: bool = False
    enabled: bool = True
    timer: Timer | None = None
    from_seconds: float | None = None
    table: SelectionTable | None = field(default=None, compare=False)
    origin: Origin = field(default=_FLAG, compare=False)
    reads_metadata: bool = False

    @property
    def points(self) -> frozenset[Point]:
        """The points at which it may act."""
        return frozenset[Point]().union(*(action.points for action in self.actions))

    @property
    def sentence(self) -> str:
        """What it does, in a sentence."""
        if self.reads_metadata:
            return f"{self.kind} {self.name!r}: what a client asks for with x-envoy-fault-… metadata"
        what = "; ".join(f"{action.effect} ({', '.join(sorted(action.points))})" for action in self.actions)
        if self.timer is not None:
            what = self.timer.effect
        elif self.from_seconds is not None:
            what += f" from {self.from_seconds:g} s after the start"
        index = "" if self.index is None else f" number {self.index}"
        off = "" if self.enabled else " [off]"
        return f"{self.kind} {self.name!r}{off}: on {self.match.text or 'every call'}{index}: {what}"

    def needs_schema(self, point: Point) -> bool:
        """Whether it needs the type of the messages at this point."""
        here = [action for action in self.actions if point in action.points]
        return any(action.needs_schema for action in here) or bool(
            here and self.body is not None and point in act.MESSAGE_POINTS
        )

    def applies_to(self, point: Point, index: int) -> bool:
        """Whether it acts on the item of this index at a point, as far as the index decides."""
        return self.index is None or point not in act.MESSAGE_POINTS or index in self.index

    @property
    def decides_always(self) -> bool:
        """Whether every call that it matches ends where it acts."""
        return (
            self.enabled
            and self.selection.is_always
            and self.index is None
            and self.body is None
            and self.from_seconds is None
            and any(action.stage is act.Stage.END for action in self.actions)
        )


def compile_rule(table: RuleTable, number: int, base: Path | None) -> Rule:
    """Compile a ``[[rule]]``, the ``number``-th of its file, whose paths start from ``base``; None: it may have none.

    Raises :class:`RuleFileError`, without the file's name.
    """
    name = rule_name(table, "rule", number)
    where = f"rule {name!r}"
    points = [table.when.point] if isinstance(table.when.point, Point) else table.when.point
    if not table.do:
        raise RuleFileError(f"{where}: do: it has no action", "do")
    compiled: list[act.ItemAction] = []
    for position, action in enumerate(table.do, 1):
        compiled.append(
            checked(
                f"{where}: do {position}",
                partial(compile_action, action, frozenset(points), base),
                f"do[{position - 1}]",
            )
        )
    index = checked(f"{where}: when: index", lambda: _index(table.when), "when.index")
    if index is not None and not any(action.points & act.MESSAGE_POINTS for action in compiled):
        raise RuleFileError(
            f"{where}: when: index: only messages have one, and no action is at a message", "when.index"
        )
    body = checked(
        f"{where}: when: body", lambda: parse_body(table.when.body) if table.when.body else None, "when.body"
    )
    if body is not None and not all(action.points <= act.MESSAGE_POINTS for action in compiled):
        raise RuleFileError(
            f"{where}: when: body: only messages have one: give when.point as a message's", "when.body"
        )
    return Rule(
        ActionKind.RULE,
        name,
        checked(f"{where}: match", lambda: parse_match(table.match), "match"),
        checked(where, lambda: parse_selection(table)),
        tuple(compiled),
        index,
        body,
        table.on_error == "fail",
        table.enabled,
        table=table,
    )


def rule_name(table: SelectionTable, kind: str, number: int) -> str:
    """The name of a table, or one by its position."""
    name = table.name.strip() or f"{kind} {number}"
    if len(name) > _MAX_NAME or not name.isprintable():
        raise RuleFileError(f"{kind} {number}: name: at most {_MAX_NAME} printable characters", "name")
    return name


def parse_selection(table: SelectionTable) -> Selection:
    """The selection of a table; raises ValueError."""
    selectors = [name for name in ("percent", "every", "pattern") if getattr(table, name) not in {None, ""}]
    if len(selectors) > 1:
        raise ValueError(f"{' and '.join(selectors)}: give one of them")
    if table.percent is not None and not 0 <= table.percent <= _MAX_PERCENT:
        raise ValueError(f"percent: {table.percent:g} is not from 0 to 100")
    if table.every is not None and table.every < 1:
        raise ValueError(f"every: {table.every} is not above zero")
    if table.pattern.strip("F.") or (table.pattern and "F" not in table.pattern):
        raise ValueError(f'pattern: {table.pattern!r} is not of "F" (acts) and "." (passes), as in "..F.FF"')
    if table.max_active is not None and table.max_active < 1:
        raise ValueError(f"max-active: {table.max_active} is not above zero")
    if table.key and not table.key.startswith("meta:"):
        raise ValueError(f'key: {table.key!r} is not a metadata key: write "meta:x-request-id"')
    if table.key and table.percent is None:
        raise ValueError("key: only percent draws by it")
    times: Range | None = None
    if table.times is not None:
        # a bare number is how often, not which one
        times = Range(1, int(table.times)) if str(table.times).isdigit() else parse_range(table.times)
        if times.last == 0:
            raise ValueError("times: 0 is never: use enabled = false")
    return Selection(
        table.percent,
        table.every,
        table.pattern,
        times,
        check_key(table.key.removeprefix("meta:")) if table.key else "",
        None if table.for_ is None else parse_duration(table.for_),
        table.max_active,
    )


def find_shadowed(rules: Sequence[Rule]) -> list[str]:
    """A warning for each rule that can never end a call, as one before it ends every call that it matches."""
    warnings = []
    for position, rule in enumerate(rules):
        if not any(action.stage is act.Stage.END for action in rule.actions):
            continue
        for other in rules[:position]:
            same = other.match.text in {"", rule.match.text}
            ends = [action.points for action in other.actions if action.stage is act.Stage.END]
            own_ends = [action.points for action in rule.actions if action.stage is act.Stage.END]
            if same and other.decides_always and min(map(_first, ends)) <= min(map(_first, own_ends)):
                warnings.append(
                    f"{rule.kind} {rule.name!r} never ends a call: it is shadowed by {other.name!r}"
                )
                break
    return warnings


_ORDER = list(Point)


def _first(points: frozenset[Point]) -> int:
    return min(_ORDER.index(point) for point in points)


def check_names(rules: Sequence[Rule]) -> None:
    """Raise :class:`RuleFileError` where two rules have one name."""
    names: set[str] = set()
    for rule in rules:
        if rule.name in names:
            raise RuleFileError(
                f"two rules are named {rule.name!r}: names are what filters and counters go by", "name"
            )
        names.add(rule.name)


def checked(where: str, build: Callable[[], T], key: str = "") -> T:
    """What ``build`` returns; its errors say where, ``key`` being the place in the rule's table."""
    try:
        return build()
    except FilterError as error:
        hint = f" ({error.hint})" if error.hint else ""
        raise RuleFileError(
            f"{where}: column {error.column + 1}: {error}{hint}", key, error.column
        ) from error
    except PathError as error:
        raise RuleFileError(f"{where}: {error.text!r}, column {error.column}: {error}", key) from error
    except (ValueError, EditError) as error:
        raise RuleFileError(f"{where}: {error}", key) from error


def _index(when: When) -> Range | None:
    return None if when.index is None else parse_range(when.index)
