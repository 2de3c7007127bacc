"""``loom calls``: list the calls of a running Loom, in memory and in its session."""

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

from .api_client import ApiClient
from .feed import events, streaming_client
from .formatting import listing_options, write_summary
from .options import filter_option
from .output import Output, run


@click.command("calls")
@filter_option
@click.option(
    "-n",
    "--limit",
    default=50,
    show_default=True,
    type=click.IntRange(1, 10_000),
    metavar="N",
    help="List at most N calls, the newest ones.",
)
@click.option("--before", type=int, metavar="ID", help="List only calls with a smaller id.")
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
    output, errors = Output(color=color), Output(sys.stderr, color=color)

    async def list_calls() -> None:
        async with streaming_client(ui, token) as client:
            if query.needs_details or query.has_regex:
                calls, problems = await _search(client, query, limit, before, errors)
            else:
                page = await client.get(
                    "/api/calls", CallsPage, limit=limit, before=before, q=query.text or None
                )
                calls, problems = page.calls, page.problems
        for problem in problems:
            errors.warning(problem)
        for summary in calls:
            write_summary(summary, output, as_json=as_json)
        if not calls and output.is_terminal:
            output.line("no calls match" if query.text else "no calls yet")

    ctx.exit(run(list_calls))


async def _search(
    client: ApiClient, query: Query, limit: int, before: int | None, errors: Output
) -> tuple[list[Summary], list[str]]:
    """Search metadata and bodies, with a progress bar. Closing the connection (Ctrl-C) ends the search in Loom."""
    calls: list[Summary] = []
    problems: list[str] = []
    with click.progressbar(
        length=1, label="searching", file=sys.stderr, hidden=not errors.is_terminal
    ) as bar:
        async for event in _search_events(client, q=query.text, limit=limit, before=before):
            if isinstance(event, SearchProgress):
                bar.length = max(event.of, 1)
                bar.update(event.searched - bar.pos)
            elif isinstance(event, SearchFound):
                calls += event.calls
            elif isinstance(event, SearchDone):
                problems = event.problems
    return sorted(calls, key=lambda summary: summary.id), problems


async def _search_events(client: ApiClient, **parameters: Any) -> AsyncIterator[SearchEvent]:
    """Yield the events of a search up to the last one; raise :class:`LoomError` if that does not come."""
    disconnected = f"{client.base_url} closed the connection before the search was done; try again"
    async with client.open("/api/search", **parameters) as response:
        try:
            async for _, event in events(response, SEARCH_EVENTS):
                if isinstance(event, SearchFailed):
                    raise LoomError(event.error.message)
                yield event
                if isinstance(event, SearchDone):
                    return
        except (aiohttp.ClientError, TimeoutError) as error:
            raise LoomError(disconnected) from error
    raise LoomError(disconnected)
