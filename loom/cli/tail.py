"""``loom tail``: the calls of a running Loom as they end."""

import sys

import click

from loom.api.calls import CallsPage, Flag, Summary
from loom.api.feed import Gap, Hello, HistoryCleared
from loom.model import CallState
from loom.recording.query import Query

from .api_client import Attached
from .feed import follow, live
from .formatting import listing_options, write_row
from .options import filter_option
from .output import Output, run

_REFETCH = 1000
_REMEMBERED = 50_000


@click.command("tail")
@filter_option
@click.option(
    "-n",
    "--lines",
    default=10,
    show_default=True,
    type=click.IntRange(0, 10_000),
    help="Begin with so many that have ended already.",
)
@listing_options
@click.pass_context
def command(
    ctx: click.Context,
    query: Query,
    lines: int,
    *,
    as_json: bool,
    color: bool | None,
    ui: str,
    token: str | None,
) -> None:
    """Follow the calls of a running Loom, each once it has ended.

    The connection is made anew when it is lost; what was missed meanwhile is fetched, or said if it is gone.

    \b
        loom tail -q 'status:NOT_FOUND,INTERNAL'
        loom tail --json | jq -r .method
    """
    output, complaints = Output(color=color), Output(sys.stderr, color=color)

    async def work() -> None:
        async with live(ui, token) as attached:
            await Tail(attached, query, output, complaints, as_json=as_json).run(lines)

    ctx.exit(run(work))


class Tail:
    """Prints each ended call once, in the order in which it learns of them."""

    def __init__(
        self, attached: Attached, query: Query, output: Output, complaints: Output, *, as_json: bool = False
    ) -> None:
        self._attached = attached
        self._query = query
        self._output = output
        self._complaints = complaints
        self._as_json = as_json
        self._printed: dict[tuple[int, int], None] = {}
        self._last = 0
        self._boot = ""
        self._began_us = 0

    async def run(self, lines: int) -> None:
        """Print the last ``lines`` calls that have ended, then every one that ends."""
        first = True
        async for event in follow(self._attached, self._lost):
            if isinstance(event, Hello):
                self._said_hello(event)
                if first:
                    await self._begin(lines)
                    first = False
            elif isinstance(event, list):
                await self._print(event)
            elif isinstance(event, Gap):
                await self._fill(event.missed)
            elif isinstance(event, HistoryCleared):
                self._printed.clear()

    def _said_hello(self, hello: Hello) -> None:
        if self._boot and hello.boot != self._boot:
            self._say("Loom was started again")
            if hello.oldest_id <= self._last:
                self._last = 0  # it may count from the beginning again
        self._began_us = self._began_us or hello.stats.now_us
        self._boot = hello.boot

    async def _begin(self, lines: int) -> None:
        limit = max(lines, 1) if self._query.text.strip() else max(lines, 1) + 200
        answer = await self._attached.get(
            "/api/calls", CallsPage, limit=limit, q=self._query.text or None, memory=1
        )
        ended = [summary for summary in answer.calls if summary.state is CallState.ENDED]
        self._remember(ended)
        for summary in ended[len(ended) - lines if lines < len(ended) else 0 :] if lines else []:
            self._write(summary)

    async def _fill(self, missed: int | None) -> None:
        """Fetch what the feed skipped; say what cannot be had any more."""
        after = self._last
        while True:
            answer = await self._attached.get("/api/calls", CallsPage, after=after, limit=_REFETCH)
            if after == self._last and answer.oldest_id > after + 1 and after:
                self._say(f"calls {after + 1} to {answer.oldest_id - 1} are no longer held: they were missed")
            self._remember([item for item in answer.calls if self._is_old(item)])
            await self._print(answer.calls)
            if not answer.calls or len(answer.calls) < _REFETCH:
                break
            after = answer.calls[-1].id
        if missed:
            self._say(f"too slow for the feed: {missed} updates were skipped, the calls were fetched instead")

    def _is_old(self, summary: Summary) -> bool:
        """Whether a Loom that was started again brought it back from before this tail."""
        ended_us = summary.started_us + (summary.duration_us or 0)
        return Flag.RESTORED in summary.flags and ended_us < self._began_us

    async def _print(self, summaries: list[Summary]) -> None:
        fresh = [
            item for item in summaries if item.state is CallState.ENDED and _key(item) not in self._printed
        ]
        self._remember(fresh)
        if self._query.needs_details and fresh:
            matching = await self._ask(fresh)
        else:
            matching = [item for item in fresh if self._query.matches(item)]
        for summary in matching:
            self._write(summary)

    async def _ask(self, fresh: list[Summary]) -> list[Summary]:
        """Have Loom say which match: metadata and bodies are not in a summary."""
        maybe = [item for item in fresh if self._query.answer(item) is not False]
        if not maybe:
            return []
        first, last = min(item.id for item in maybe), max(item.id for item in maybe)
        answer = await self._attached.get(
            "/api/calls", CallsPage, q=self._query.text, after=first - 1, limit=min(last - first + 1, 10_000)
        )
        found = {item.id for item in answer.calls}
        return [item for item in maybe if item.id in found]

    def _remember(self, summaries: list[Summary]) -> None:
        for summary in summaries:
            self._printed[_key(summary)] = None
            self._last = max(self._last, summary.id)
        while len(self._printed) > _REMEMBERED:
            del self._printed[next(iter(self._printed))]

    def _write(self, summary: Summary) -> None:
        write_row(summary, self._output, as_json=self._as_json)

    def _lost(self, reason: str) -> None:
        self._say(reason)

    def _say(self, text: str) -> None:
        self._complaints.line(self._complaints.palette.doubtful(f"loom: {text}"))


def _key(summary: Summary) -> tuple[int, int]:
    """What tells a call from one of the same number of another launch."""
    return summary.id, summary.started_us
