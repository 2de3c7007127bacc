"""``loom tail``: follow the calls of a running Loom."""

import sys

import click

from loom.api.calls import CallsPage, Flag, Summary
from loom.api.feed import Gap, Hello, HistoryCleared
from loom.model import CallState
from loom.recording.query import Query

from .api_client import ApiClient
from .feed import follow, streaming_client
from .formatting import listing_options, write_summary
from .options import filter_option
from .output import Output, run

_PAGE = 1000
_MAX_SEEN = 50_000
_MAX_LIMIT = 10_000
_IN_FLIGHT_ALLOWANCE = 200  # calls in flight that a page may contain besides those that have ended


@click.command("tail")
@filter_option
@click.option(
    "-n",
    "--lines",
    default=10,
    show_default=True,
    type=click.IntRange(0, 10_000),
    metavar="N",
    help="Print the last N calls that have ended, then follow.",
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
    """Follow the calls of a running Loom: print each when it ends.

    Reconnects when the connection is lost, fetches the calls that ended meanwhile, and reports those that are no
    longer available.

    \b
        loom tail -q 'status:NOT_FOUND,INTERNAL'
        loom tail --json | jq -r .method
    """
    output, errors = Output(color=color), Output(sys.stderr, color=color)

    async def tail() -> None:
        async with streaming_client(ui, token) as client:
            await Tail(client, query, output, errors, as_json=as_json).run(lines)

    ctx.exit(run(tail))


class Tail:
    """Prints each ended call once, in the order in which the feed reports them."""

    def __init__(
        self, client: ApiClient, query: Query, output: Output, errors: Output, *, as_json: bool = False
    ) -> None:
        self._client = client
        self._query = query
        self._output = output
        self._errors = errors
        self._as_json = as_json
        self._seen: dict[tuple[int, int], None] = {}
        self._last_id = 0
        self._boot = ""
        self._start_us = 0

    async def run(self, lines: int) -> None:
        """Print the last ``lines`` calls that have ended, then every one that ends."""
        is_first = True
        async for event in follow(self._client, self._errors.warning):
            if isinstance(event, Hello):
                self._on_hello(event)
                if is_first:
                    await self._print_last(lines)
                    is_first = False
            elif isinstance(event, list):
                await self._print(event)
            elif isinstance(event, Gap):
                await self._fetch_missed(event.missed)
            elif isinstance(event, HistoryCleared):
                self._seen.clear()

    def _on_hello(self, hello: Hello) -> None:
        if self._boot and hello.boot != self._boot:
            self._errors.warning("Loom was restarted")
            if hello.oldest_id <= self._last_id:
                self._last_id = 0  # without a session its ids start at 1 again
        self._start_us = self._start_us or hello.stats.now_us
        self._boot = hello.boot

    async def _print_last(self, lines: int) -> None:
        limit = max(lines, 1) + (0 if self._query.text.strip() else _IN_FLIGHT_ALLOWANCE)
        page = await self._client.get(
            "/api/calls", CallsPage, limit=min(limit, _MAX_LIMIT), q=self._query.text or None, memory=1
        )
        ended = [summary for summary in page.calls if summary.state is CallState.ENDED]
        self._mark_seen(ended)
        for summary in ended[max(len(ended) - lines, 0) :]:
            self._write(summary)

    async def _fetch_missed(self, missed: int | None) -> None:
        """Fetch the calls whose updates the feed skipped, and report those that are no longer available."""
        after = self._last_id
        while True:
            page = await self._client.get("/api/calls", CallsPage, after=after, limit=_PAGE)
            if after == self._last_id and page.oldest_id > after + 1 and after:
                self._errors.warning(
                    f"calls {after + 1} to {page.oldest_id - 1} were missed and are no longer in memory"
                )
            self._mark_seen([item for item in page.calls if self._predates_tail(item)])
            await self._print(page.calls)
            if not page.calls or len(page.calls) < _PAGE:
                break
            after = page.calls[-1].id
        if missed:
            self._errors.warning(
                f"{missed} updates were skipped, as tail was too slow; fetched the calls instead"
            )

    def _predates_tail(self, summary: Summary) -> bool:
        """Whether a restarted Loom restored the call from before this tail started."""
        ended_us = summary.started_us + (summary.duration_us or 0)
        return Flag.RESTORED in summary.flags and ended_us < self._start_us

    async def _print(self, summaries: list[Summary]) -> None:
        unseen = [
            item for item in summaries if item.state is CallState.ENDED and _key(item) not in self._seen
        ]
        self._mark_seen(unseen)
        if self._query.needs_details and unseen:
            matches = await self._match_details(unseen)
        else:
            matches = [item for item in unseen if self._query.matches(item)]
        for summary in matches:
            self._write(summary)

    async def _match_details(self, summaries: list[Summary]) -> list[Summary]:
        """Have Loom match metadata and bodies, which summaries do not contain."""
        candidates = [item for item in summaries if self._query.answer(item) is not False]
        if not candidates:
            return []
        first, last = min(item.id for item in candidates), max(item.id for item in candidates)
        page = await self._client.get(
            "/api/calls",
            CallsPage,
            q=self._query.text,
            after=first - 1,
            limit=min(last - first + 1, _MAX_LIMIT),
        )
        ids = {item.id for item in page.calls}
        return [item for item in candidates if item.id in ids]

    def _mark_seen(self, summaries: list[Summary]) -> None:
        for summary in summaries:
            self._seen[_key(summary)] = None
            self._last_id = max(self._last_id, summary.id)
        while len(self._seen) > _MAX_SEEN:
            del self._seen[next(iter(self._seen))]

    def _write(self, summary: Summary) -> None:
        write_summary(summary, self._output, as_json=self._as_json)


def _key(summary: Summary) -> tuple[int, int]:
    """Identify a call across restarts, after which ids may be used again."""
    return summary.id, summary.started_us
