"""``loom calls``: the calls that a running Loom holds, in memory and in its session."""

import click

from loom.recording.query import Query

from .attach import Attached
from .output import Output, run
from .parameters import filter_option
from .rows import listing_options, write_row


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
        async with Attached(ui, token) as attached:
            answer = await attached.get("/api/calls", limit=limit, before=before, q=query.text or None)
        for summary in answer["calls"]:
            write_row(summary, output, as_json=as_json)
        if not answer["calls"] and output.terminal:
            output.line("no calls match" if query.text else "no calls yet")

    ctx.exit(run(work))
