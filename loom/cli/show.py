"""``loom show ID``: print everything about one call."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import click
import msgspec

from loom.api.calls import CallDetail, MetadataItem, MethodSchema, StatusDetails
from loom.api.messages import MessagesPage, MessageView
from loom.runtime.terminal import Palette, shorten
from loom.units import format_bytes, format_count, format_duration

from .api_client import ApiClient, api_options
from .completion import call_id
from .formatting import format_summary
from .interceptions import interception_lines
from .options import CallId
from .output import Output, color_option, run

_PAGE = 200
_MAX_LINE = 4000
_US = 1000
_ARROWS = {"request": "↑", "response": "↓"}


@click.command("show")
@click.argument("call", type=CallId(), metavar="ID", shell_complete=call_id)
@click.option(
    "-n",
    "--messages",
    default=20,
    show_default=True,
    type=click.IntRange(0),
    metavar="N",
    help="Print at most N messages, the first ones.",
)
@click.option("--reveal", is_flag=True, help="Show secrets instead of masking them.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object: the call of docs/reference/api.md and its messages.",
)
@color_option
@api_options
@click.pass_context
def command(
    ctx: click.Context,
    call: int,
    messages: int,
    *,
    reveal: bool,
    as_json: bool,
    color: bool | None,
    ui: str,
    token: str | None,
) -> None:
    """Show a call: status, metadata, timing, its messages decoded, and what rules and faults did to it."""
    output = Output(color=color)

    async def show() -> None:
        async with ApiClient(ui, token) as client:
            detail = await client.get(f"/api/calls/{call}", CallDetail, reveal=int(reveal))
            if as_json:
                views = [view async for view in _message_views(client, call, messages)]
                originals = await _original_views(client, detail, len(detail.interceptions))
                output.json(
                    msgspec.structs.asdict(detail)
                    | {
                        "message_views": views,
                        "original_views": {str(n): view for n, view in originals.items()},
                    }
                )
                return
            for line in call_lines(detail, output.palette):
                output.line(line)
            originals = await _original_views(client, detail, messages)
            for line in interception_lines(detail, originals, messages, output.palette):
                output.line(line)
            count = 0
            async for view in _message_views(client, call, messages):
                for line in message_lines(view, detail.started_us, output.palette):
                    output.line(line)
                count += 1
            remaining = sum(detail.messages) - count
            if remaining > 0:
                more = format_count(remaining, "more message")
                output.line(output.palette.dim(f"… and {more}: raise --messages"))

    ctx.exit(run(show))


async def _original_views(client: ApiClient, call: CallDetail, limit: int) -> dict[int, MessageView]:
    """The messages that came and were altered, by their position among the first ``limit`` interceptions."""
    return {
        number: await client.get(f"/api/calls/{call.id}/originals/{number}", MessageView, bytes=_MAX_LINE)
        for number, item in enumerate(call.interceptions[:limit])
        if item.original_held
    }


async def _message_views(client: ApiClient, call: int, limit: int) -> AsyncIterator[MessageView]:
    """Yield the first ``limit`` messages that are in memory."""
    start = count = 0
    while count < limit:
        page = await client.get(
            f"/api/calls/{call}/messages", MessagesPage, limit=min(_PAGE, limit - count), **{"from": start}
        )
        rows = page.messages
        for row in rows:
            yield await client.get(f"/api/calls/{call}/messages/{row.index}", MessageView, bytes=_MAX_LINE)
        count += len(rows)
        if not rows or rows[-1].index + 1 >= page.total:
            return
        start = rows[-1].index + 1


def call_lines(call: CallDetail, palette: Palette) -> Iterator[str]:
    """Format a call without its messages."""
    yield format_summary(call, palette)
    yield from _facts(call, palette)
    blocks = (
        ("request metadata", call.metadata.request),
        ("initial metadata", call.metadata.initial),
        ("trailing metadata", call.metadata.trailing),
    )
    for title, items in blocks:
        if items:
            yield palette.bold(title)
            yield from (_metadata_line(item, palette) for item in items)
    status = call.status
    if status is not None and status.message:
        yield palette.bold("status")
        yield f"  {status.name} ({status.code}): {_safe(status.message)}"
    if call.status_details:
        yield from _status_detail_lines(call.status_details, palette)


def _status_detail_lines(details: StatusDetails, palette: Palette) -> Iterator[str]:
    yield palette.bold("status details")
    if details.error:
        yield f"  {palette.error(_safe(details.error))}"
    for item in details.details:
        if item.error is None:
            value = _safe(json.dumps(item.json, ensure_ascii=False))
        else:
            value = palette.error(_safe(item.error))
        yield f"  {_safe(item.type)} {value}"


def _facts(call: CallDetail, palette: Palette) -> Iterator[str]:
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(call.started_us // 1_000_000))
    replay_of = "a call that was not imported" if call.replay_of == 0 else call.replay_of
    facts: list[tuple[str, Any]] = [
        ("started", started),
        ("peer", call.peer),
        ("authority", call.authority),
        ("target", call.target),
        ("deadline", _after_start(call, call.timing.deadline_us)),
        ("held", _held(call)),
        ("ended by", call.ended_by),
        ("note", call.note),
        ("replay of", replay_of),
        ("replays", ", ".join(map(str, call.replays))),
        ("flags", ", ".join(call.flags)),
        ("schema", _schema_text(call.schema)),
    ]
    for name, value in facts:
        if value not in (None, ""):
            yield f"  {palette.dim(f'{name:<10}')} {_safe(str(value))}"


def _after_start(call: CallDetail, time_us: int | None) -> str | None:
    if time_us is None:
        return None
    return f"{format_duration((time_us - call.started_us) * _US)} after the start"


def _held(call: CallDetail) -> str:
    """For how long breakpoints held it."""
    spans = call.timing.held
    held_us = sum(end - start for start, end in spans)
    return f"by breakpoints, for {format_duration(held_us * _US)}" if held_us else ""


def _schema_text(schema: MethodSchema) -> str:
    if schema.error:
        return schema.error
    return f"{schema.request_type} → {schema.response_type} ({schema.source} from {schema.origin})"


def _metadata_line(item: MetadataItem, palette: Palette) -> str:
    decoded = f"  {palette.dim(_safe(item.decoded))}" if item.decoded else ""
    return f"  {_safe(item.key)}: {_safe(item.value)}{decoded}"


def message_lines(view: MessageView, started_us: int, palette: Palette) -> Iterator[str]:
    """Format a message: direction, size and time, then its JSON, or its bytes if there is none."""
    title = f"{_ARROWS[view.direction]} {view.direction} {view.index}"
    offset = format_duration(max(view.time_us - started_us, 0) * _US)
    compression = f", {_safe(view.encoding) or 'compressed'}" if view.compressed else ""
    yield f"{palette.bold(title)} {palette.dim(f'{format_bytes(view.size)} at {offset}{compression}')}"
    if view.error:
        yield f"  {palette.error(_safe(view.error))}"
    if view.json_text:
        yield from (f"  {_safe(line)}" for line in view.json_text.splitlines())
    elif view.hex:
        more = f" … {format_bytes(view.truncated)} more" if view.truncated else ""
        yield f"  {view.hex}{more}"


def _safe(text: str) -> str:
    return shorten(text, _MAX_LINE)
