"""``loom calls``: the calls that a running Loom holds, in memory and in its session."""

import click

from loom.recording.query import parse

from .attach import Attached
from .output import Output, run
from .rows import listing_options, write_row


@click.command("calls")
@click.option("-q", "--query", default="", metavar="FILTER", help="Only calls that match (docs/filter.md).")
@click.option(
    "-n", "--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="The newest so many."
)
@click.option("--before", type=int, metavar="ID", help="Only calls older than this one.")
@listing_options
@click.pass_context
def command(
    ctx: click.Context,
    query: str,
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
    parse(query)  # a bad filter is told before anything is asked
    output = Output(color=color)

    async def work() -> None:
        async with Attached(ui, token) as attached:
            answer = await attached.get("/api/calls", limit=limit, before=before, q=query or None)
        for summary in answer["calls"]:
            write_row(summary, output, as_json=as_json)
        if not answer["calls"] and output.terminal:
            output.line("no calls match" if query else "no calls yet")

    ctx.exit(run(work))
