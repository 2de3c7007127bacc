"""Calls as the API tells them, as lines of text or JSON, and the options of the commands that list them."""

from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from loom.api.calls import Summary
from loom.model import Call, Status
from loom.runtime.call_formatting import ended_line
from loom.runtime.palette import Palette

from .api_client import attach_options
from .output import Output, color_option

F = TypeVar("F", bound=Callable[..., Any])

_US = 1000


def call_of(summary: Summary) -> Call:
    """As much of the call as its summary holds."""
    duration, status = summary.duration_us, summary.status
    started = summary.started_us * _US
    call = Call(
        summary.id,
        summary.method,
        started,
        summary.peer,
        summary.authority,
        summary.target,
        summary.engine,
        replay_of=summary.replay_of,
        declared_kind=summary.kind,
        ended_ns=None if duration is None else started + duration * _US,
        status=None if status is None else Status(status.code, status.message),
        ended_by=summary.ended_by,
    )
    call.request_messages, call.response_messages = summary.messages
    call.request_bytes, call.response_bytes = summary.bytes
    return call


def listing_options(function: F) -> F:
    """``--json`` and what every command has that lists calls of a running Loom."""
    made: F = click.option(
        "--json", "as_json", is_flag=True, help="One JSON object a line: the summaries of docs/api.md."
    )(color_option(attach_options(function)))
    return made


def write_row(summary: Summary, output: Output, *, as_json: bool) -> None:
    """Write the call as a line of text, cut to the terminal, or as a line of JSON."""
    if as_json:
        output.line(as_json_line(summary))
    else:
        output.line(row(summary, output.palette, output.width), cut=True)


def as_json_line(value: object) -> str:
    """JSON in one line."""
    return msgspec.json.format(msgspec.json.encode(value), indent=0).decode()


def row(summary: Summary, palette: Palette, width: int | None = None) -> str:
    """The call's id before the line that a running Loom prints of it."""
    number = str(summary.id).rjust(6)
    rest = None if width is None else width - len(number) - 1
    return f"{palette.dim(number)} {ended_line(call_of(summary), palette, rest)}"
