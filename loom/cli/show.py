"""``loom show ID``: all that is known of one call."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import click
import msgspec

from loom.api.calls import CallDetail, MetadataItem, MethodSchema
from loom.api.messages import MessagesPage, MessageView
from loom.runtime.call_formatting import one_line, show_bytes, show_duration
from loom.runtime.palette import Palette

from .api_client import Attached, attach_options
from .completion import call_id
from .formatting import as_json_line, row
from .options import CallId
from .output import Output, color_option, run

_PAGE = 200
_LINE = 4000
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
    help="The first so many messages.",
)
@click.option("--reveal", is_flag=True, help="Show secrets instead of masking them.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object: the call of docs/api.md with its messages."
)
@color_option
@attach_options
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
    """Show a call: status, metadata, timing, and its messages decoded."""
    output = Output(color=color)

    async def work() -> None:
        async with Attached(ui, token) as attached:
            found = await attached.get(f"/api/calls/{call}", CallDetail, reveal=int(reveal))
            if as_json:
                views = [view async for view in _views(attached, call, messages)]
                output.line(as_json_line(msgspec.structs.asdict(found) | {"message_views": views}))
                return
            for line in described(found, output.palette):
                output.line(line)
            shown = 0
            async for view in _views(attached, call, messages):
                for line in message_lines(view, found.started_us, output.palette):
                    output.line(line)
                shown += 1
            left = sum(found.messages) - shown
            if left > 0:
                output.line(output.palette.dim(f"… and {left} more messages: raise --messages"))

    ctx.exit(run(work))


async def _views(attached: Attached, call: int, limit: int) -> AsyncIterator[MessageView]:
    """The first messages that are held, each in every view."""
    start = count = 0
    while count < limit:
        page = await attached.get(
            f"/api/calls/{call}/messages", MessagesPage, limit=min(_PAGE, limit - count), **{"from": start}
        )
        rows = page.messages
        for item in rows:
            yield await attached.get(f"/api/calls/{call}/messages/{item.index}", MessageView, bytes=_LINE)
        count += len(rows)
        if not rows or rows[-1].index + 1 >= page.total:
            return
        start = rows[-1].index + 1


def described(call: CallDetail, palette: Palette) -> Iterator[str]:
    """Everything but the messages, in lines."""
    yield row(call, palette)
    yield from _facts(call, palette)
    blocks = (
        ("request metadata", call.metadata.request),
        ("initial metadata", call.metadata.initial),
        ("trailing metadata", call.metadata.trailing),
    )
    for title, items in blocks:
        if items:
            yield palette.strong(title)
            yield from (_item(item, palette) for item in items)
    status = call.status
    if status is not None and status.message:
        yield palette.strong("status")
        yield f"  {status.name} ({status.code}): {one_line(status.message, _LINE)}"
    details = call.status_details
    if details:
        yield palette.strong("status details")
        if details.error:
            yield f"  {palette.bad(details.error)}"
        for item in details.details:
            yield f"  {item.type} {_json(item.json) if item.error is None else palette.bad(item.error)}"


def _facts(call: CallDetail, palette: Palette) -> Iterator[str]:
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(call.started_us // 1_000_000))
    facts: list[tuple[str, Any]] = [
        ("started", started),
        ("peer", call.peer),
        ("target", call.target),
        ("deadline", _after(call, call.timing.deadline_us)),
        ("ended by", call.ended_by),
        ("note", one_line(call.note, _LINE)),
        ("replay of", "a call that was not imported" if call.replay_of == 0 else call.replay_of),
        ("replays", ", ".join(str(item) for item in call.replays)),
        ("flags", ", ".join(call.flags)),
        ("schema", _schema(call.schema)),
    ]
    for name, value in facts:
        if value not in (None, ""):
            yield f"  {palette.dim(f'{name:<10}')} {value}"


def _after(call: CallDetail, time_us: int | None) -> str | None:
    if time_us is None:
        return None
    return f"{show_duration((time_us - call.started_us) * _US)} after the start"


def _schema(schema: MethodSchema) -> str:
    if schema.error:
        return schema.error
    return f"{schema.request_type} → {schema.response_type} ({schema.source} from {schema.origin})"


def _item(item: MetadataItem, palette: Palette) -> str:
    value = one_line(item.value, _LINE)
    decoded = f"  {palette.dim(one_line(item.decoded, _LINE))}" if item.decoded else ""
    return f"  {item.key}: {value}{decoded}"


def message_lines(view: MessageView, started_us: int, palette: Palette) -> Iterator[str]:
    """A message: a line of facts, then its JSON, or its bytes where there is none."""
    head = f"{_ARROWS[view.direction]} {view.direction} {view.index}"
    offset = show_duration(max(view.time_us - started_us, 0) * _US)
    compressed = f", {view.encoding or 'compressed'}" if view.compressed else ""
    facts = f"{show_bytes(view.size)} at {offset}{compressed}"
    yield f"{palette.strong(head)} {palette.dim(facts)}"
    if view.error:
        yield f"  {palette.bad(one_line(view.error, _LINE))}"
    if view.json_text:
        yield from (f"  {one_line(line, _LINE)}" for line in view.json_text.splitlines())
    elif view.hex:
        more = f" … {view.truncated} more bytes" if view.truncated else ""
        yield f"  {view.hex}{more}"


def _json(value: Any) -> str:
    return one_line(json.dumps(value, ensure_ascii=False), _LINE)
