"""Format calls of the API as lines of text or JSON; the options of commands that list calls."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import click

from loom.api.calls import Flag, Summary
from loom.interception import RuleSet
from loom.model import Call, Status
from loom.model.interception import ActionKind
from loom.runtime.call_formatting import format_call
from loom.runtime.terminal import Palette

from .api_client import api_options
from .output import Output, color_option

F = TypeVar("F", bound=Callable[..., Any])

_US = 1000
_ID_WIDTH = 6
_MAX_SEEDS = 3


def to_call(summary: Summary) -> Call:
    """Return a call with what its summary contains."""
    duration, status = summary.duration_us, summary.status
    started_ns = summary.started_us * _US
    call = Call(
        summary.id,
        summary.method,
        started_ns,
        summary.peer,
        summary.authority,
        summary.target,
        summary.engine,
        replay_of=summary.replay_of,
        declared_kind=summary.kind,
        ended_ns=None if duration is None else started_ns + duration * _US,
        status=None if status is None else Status(status.code, status.message),
        ended_by=summary.ended_by,
    )
    call.modified = Flag.MODIFIED in summary.flags
    call.acted = (
        *((ActionKind.RULE, name) for name in summary.rules),
        *((ActionKind.FAULT, name) for name in summary.faults),
        *(((ActionKind.BREAKPOINT, ""),) if Flag.HELD in summary.flags else ()),
    )
    call.request_messages, call.response_messages = summary.messages
    call.request_bytes, call.response_bytes = summary.bytes
    return call


def listing_options(function: F) -> F:
    """Add ``--json`` and the other options of commands that list calls of a running Loom."""
    json_option = click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print a JSON object per line: the summaries of docs/reference/api.md.",
    )
    decorated: F = json_option(color_option(api_options(function)))
    return decorated


def seed_lines(seeds: Mapping[int, int]) -> Iterator[str]:
    """The seeds of a session's last runs, by the id of their first call: what failed fails again with them."""
    earlier = max(len(seeds) - _MAX_SEEDS, 0)
    for first, seed in list(seeds.items())[earlier:]:
        yield f"--fault-seed {seed} for calls from #{first}"


def rule_lines(rules: RuleSet) -> Iterator[str]:
    """What each rule of a set did."""
    for active in rules.active:
        state = active.state
        failures = f", not applied {state.failures} times: {state.last_error}" if state.failures else ""
        yield f"  {active.rule.kind} {active.rule.name!r}: matched {state.matched}, acted on {state.acted}{failures}"


def write_summary(summary: Summary, output: Output, *, as_json: bool) -> None:
    """Write a call as a line of text, cut to the terminal, or as a line of JSON."""
    if as_json:
        output.json(summary)
    else:
        output.line(format_summary(summary, output.palette, output.width), cut=True)


def format_summary(summary: Summary, palette: Palette, width: int | None = None) -> str:
    """Format a call as its id and the line that the console of the running Loom prints."""
    call_id = str(summary.id).rjust(_ID_WIDTH)
    call_width = None if width is None else width - len(call_id) - 1
    return f"{palette.dim(call_id)} {format_call(to_call(summary), palette, call_width)}"
