"""``loom calls``: the calls that a running Loom holds, in memory and in its session."""

import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import click

from loom.api.calls import CallsPage, Summary
from loom.api.feed import (
    SEARCH_EVENTS,
    SearchDone,
    SearchEvent,
    SearchFailed,
    SearchFound,
    SearchProgress,
)
from loom.errors import LoomError
from loom.recording.query import Query

from .api_client import Attached
from .feed import events, live
from .formatting import listing_options, write_row
from .options import filter_option
from .output import Output, run


@click.command("calls")
@filter_option
@click.option(
    "-n", "--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="The newest so many."
)
@click.option("--before", type=int, metavar="ID", help="Only calls older than this one.")
@listing_options
@click.pass_context
def command(
    ctx: click.Context,
    query: Query,
    limit: int,
    before: int | None,
    *,
    as_json: bool,
    color: bool | None,
    ui: str,
    token: str | None,
) -> None:
    """List calls of a running Loom, oldest first.

    \b
        loom calls -q 'method:Get* duration:>250ms'
        loom calls --json -n 1000 | jq .duration_us
    """
    output = Output(color=color)

    async def work() -> None:
        async with live(ui, token) as attached:
            if query.needs_details or query.has_regex:
                found = await _searched(attached, query, limit, before)
            else:
                answer = await attached.get(
                    "/api/calls", CallsPage, limit=limit, before=before, q=query.text or None
                )
                found = answer.calls
                _tell(answer.problems)
        for summary in found:
            write_row(summary, output, as_json=as_json)
        if not found and output.terminal:
            output.line("no calls match" if query.text else "no calls yet")

    ctx.exit(run(work))


async def _searched(attached: Attached, query: Query, limit: int, before: int | None) -> list[Summary]:
    """What has to be looked for in metadata and bodies, with how far the search is; Ctrl-C ends it in Loom, too."""
    found: list[Summary] = []
    complaints = Output(sys.stderr)
    with click.progressbar(
        length=1, label="searching", file=sys.stderr, hidden=not complaints.terminal
    ) as bar:
        async for event in _answers(attached, q=query.text, limit=limit, before=before):
            if isinstance(event, SearchProgress):
                bar.length = max(event.of, 1)
                bar.update(event.searched - bar.pos)
            elif isinstance(event, SearchFound):
                found += event.calls
            elif isinstance(event, SearchDone):
                _tell(event.problems)
    return sorted(found, key=lambda summary: summary.id)


def _tell(problems: list[str]) -> None:
    """What could not be read, for a person beside the data."""
    complaints = Output(sys.stderr)
    for problem in problems:
        complaints.line(complaints.palette.doubtful(f"loom: {problem}"))


async def _answers(attached: Attached, **wanted: Any) -> AsyncIterator[SearchEvent]:
    """What a search answers, up to its end; :class:`LoomError` if that does not come."""
    ended = f"{attached.base} went away before the search was done"
    async with attached.open("/api/search", **wanted) as answer:
        try:
            async for _, event in events(answer, SEARCH_EVENTS):
                if isinstance(event, SearchFailed):
                    raise LoomError(event.error.message)
                yield event
                if isinstance(event, SearchDone):
                    return
        except (aiohttp.ClientError, TimeoutError) as error:
            raise LoomError(ended) from error
    raise LoomError(ended)
