"""``loom break``: hold items of a running Loom's calls, and decide on them in the terminal."""

import asyncio
import contextlib
import sys
from typing import Any

import aiohttp
import click

from loom.api.breakpoints import Breakpoint, Breakpoints
from loom.api.holds import HOLD_EVENTS, Hold, HoldAction, HoldDetail, Holds
from loom.errors import LoomError
from loom.model.interception import Point

from .api_client import ApiClient, api_options
from .feed import events, streaming_client
from .holds import PROMPT, DraftError, ask, field_edit, write_hold
from .keyboard import Keyboard
from .output import Output, color_option, run

_DECISIONS = ("send", "drop", "duplicate", "cancel")
_ENDS = {"gone": "gone", "R": "decided", "n": "next", "q": "quit", "": "quit"}  # "": the terminal is gone


@click.command("break")
@click.argument("match", default="", metavar="[FILTER]")
@click.option("--request", is_flag=True, help="Hold request messages.")
@click.option("--response", is_flag=True, help="Hold response messages.")
@click.option(
    "--point",
    "points",
    multiple=True,
    type=click.Choice([point.value for point in Point]),
    help="Hold items at this point of a call. May be repeated. [default: messages of both directions]",
)
@click.option("--name", default="", metavar="NAME", help="A name for the breakpoint.")
@click.option(
    "--release",
    default="deadline",
    show_default=True,
    metavar="deadline|never|SECONDS",
    help="When Loom sends an item automatically: shortly before the call's deadline, never, or after this time.",
)
@click.option(
    "--do",
    "decision",
    type=click.Choice(_DECISIONS),
    help="Decide on every item like this instead of asking; needed where stdin is not a terminal.",
)
@click.option(
    "--set",
    "edits",
    multiple=True,
    metavar="PATH=VALUE",
    help="With --do send: set a field of each message, by name or number; without VALUE it is deleted. May be "
    "repeated.",
)
@click.option(
    "--answer", default="", metavar="STATUS", help="Answer every call with this status instead of asking."
)
@click.option("--count", type=click.IntRange(1), metavar="N", help="Stop after N items.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print each item as a JSON object (docs/reference/api.md)."
)
@color_option
@api_options
@click.pass_context
def command(
    ctx: click.Context,
    match: str,
    points: tuple[str, ...],
    name: str,
    release: str,
    decision: str | None,
    edits: tuple[str, ...],
    answer: str,
    count: int | None,
    *,
    request: bool,
    response: bool,
    as_json: bool,
    color: bool | None,
    ui: str,
    token: str | None,
) -> None:
    """Hold messages of the calls that match FILTER and start from now on, and decide on each.

    FILTER has what is known when a call starts: method, service, peer, metadata. Each item is shown; a key sends, edits
    (in $EDITOR), drops or duplicates it, answers or cancels the call, or steps to the next item; ? lists the keys.
    Ctrl-C removes the breakpoint and sends what it holds.

    \b
        loom break 'method:GetOrder' --response
        loom break 'method:GetOrder meta:x-tenant=42' --point status
        loom break 'method:Chat' --request --do send --set text=late --count 1
    """
    body: dict[str, Any] = {
        "match": match,
        "points": _points(points, request=request, response=response),
        "name": name,
        **_release(release),
    }
    fixed = _fixed_decision(decision, edits, answer)
    if fixed is None and not sys.stdin.isatty():
        raise click.UsageError("stdin is not a terminal: say what to do with each item, as in --do send")
    output, errors = Output(color=color), Output(sys.stderr, color=color)

    async def hold() -> None:
        async with streaming_client(ui, token) as stream, ApiClient(ui, token) as client:
            made = await client.send("POST", "/api/breakpoints", Breakpoint, body)
            session = _Session(client, made, output, errors, as_json=as_json, count=count)
            try:
                async with stream.open("/api/holds/events") as followed:
                    await session.run(followed, fixed)
            finally:
                with contextlib.suppress(LoomError):
                    await client.send("DELETE", "/api/breakpoints", Breakpoints, name=made.name)

    ctx.exit(run(hold))


def _points(points: tuple[str, ...], *, request: bool, response: bool) -> list[str]:
    chosen = [*points]
    chosen += [Point.REQUEST_MESSAGE.value] if request else []
    chosen += [Point.RESPONSE_MESSAGE.value] if response else []
    return list(dict.fromkeys(chosen)) or [Point.REQUEST_MESSAGE.value, Point.RESPONSE_MESSAGE.value]


def _release(text: str) -> dict[str, Any]:
    if text in {"deadline", "never"}:
        return {"release": text}
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise click.BadParameter(
            f"{text!r} is not deadline, never, or a number of seconds", param_hint="--release"
        )
    return {"release": "after", "release_after_ms": seconds * 1000}


def _fixed_decision(decision: str | None, edits: tuple[str, ...], answer: str) -> dict[str, Any] | None:
    """The decision on every item; None to ask."""
    if answer and (decision or edits):
        raise click.UsageError("--answer goes with neither --do nor --set")
    if edits and decision != "send":
        raise click.UsageError("--set takes --do send")
    if answer:
        code, _, message = answer.partition(" ")
        return {"action": HoldAction.ANSWER, "status": {"code": code, "message": message}}
    if decision is None:
        return None
    try:
        fields = [field_edit(text) for text in edits]
    except LoomError as error:
        raise click.BadParameter(str(error), param_hint="--set") from error
    return {"action": decision, **({"fields": fields} if fields else {})}


class _Session:
    """One breakpoint and what it holds."""

    def __init__(
        self,
        client: ApiClient,
        breakpoint_: Breakpoint,
        output: Output,
        errors: Output,
        *,
        as_json: bool,
        count: int | None,
    ) -> None:
        self._client = client
        self._breakpoint = breakpoint_
        self._output = output
        self._errors = errors
        self._as_json = as_json
        self._count = count
        self._holds: dict[int, Hold] = {}
        self._passed = 0
        self._seq = 0
        self._changed = asyncio.Event()

    async def run(self, response: aiohttp.ClientResponse, fixed: dict[str, Any] | None) -> None:
        """Decide on items until there were enough, or the user quits."""
        points = ", ".join(self._breakpoint.points)
        match = self._breakpoint.match or "every call"
        self._errors.line(f"{self._breakpoint.name}: waiting for {match} at {points}; Ctrl-C ends")
        deciding = asyncio.ensure_future(self._decide_all(fixed) if fixed is not None else self._ask_all())
        following = asyncio.ensure_future(self._follow(response))
        try:
            await asyncio.wait({deciding, following}, return_when=asyncio.FIRST_COMPLETED)
            if deciding.done():
                deciding.result()
            else:
                following.result()
        finally:
            for task in (deciding, following):
                task.cancel()
            await asyncio.gather(deciding, following, return_exceptions=True)

    async def _follow(self, response: aiohttp.ClientResponse) -> None:
        try:
            async for _, holds in events(response, HOLD_EVENTS):
                self._update(holds)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise LoomError(f"the connection to Loom was lost: {error}") from error
        raise LoomError("Loom has stopped")

    def _update(self, holds: Holds) -> None:
        if holds.seq < self._seq:  # an answer has overtaken it
            return
        self._seq = holds.seq
        self._holds = {
            hold.id: hold for hold in holds.holds if self._breakpoint.name in hold.names and not hold.over
        }
        passed = holds.passed_limit + holds.passed_deadline
        if passed > self._passed:
            self._errors.warning(
                f"{passed} items have passed: too many were held, or their deadlines were too near"
            )
        self._passed = passed
        self._changed.set()

    async def _next(self, skip: set[int]) -> HoldDetail:
        """Wait for an item that is held, and get its content."""
        while True:
            self._changed.clear()
            for hold_id in list(self._holds):
                if hold_id not in skip:
                    with contextlib.suppress(LoomError):  # it was sent meanwhile
                        return await self._client.get(f"/api/holds/{hold_id}", HoldDetail)
                    self._holds.pop(hold_id, None)
            await self._changed.wait()

    async def _decide_all(self, body: dict[str, Any]) -> None:
        decided: set[int] = set()
        while self._count is None or len(decided) < self._count:
            hold = await self._next(decided)
            self._write(hold)
            decided.add(hold.id)
            try:
                await self._decide(hold, body)
            except LoomError as error:
                self._errors.warning(f"{error}; it is sent as it is")
                with contextlib.suppress(LoomError):
                    await self._decide(hold, {})

    async def _ask_all(self) -> None:
        decided = 0
        skipped: set[int] = set()
        with Keyboard() as keyboard:
            while self._count is None or decided < self._count:
                if skipped and not set(self._holds) - skipped:
                    skipped.clear()
                hold = await self._next(skipped)
                answer = await self._ask(hold, keyboard)
                if answer == "quit":
                    return
                decided += answer == "decided"
                if answer == "next":
                    skipped.add(hold.id)

    async def _ask(self, hold: HoldDetail, keyboard: Keyboard) -> str:
        """Show an item, and ask until it is decided on: ``decided``, ``gone``, ``next`` or ``quit``."""
        draft = ""
        self._write(hold)
        while True:
            self._errors.line(self._errors.palette.dim(f"  {PROMPT}"))
            key = await self._key(hold, keyboard)
            if key in _ENDS:
                return await self._end(key)
            try:
                body = await ask(key, hold, keyboard, self._errors, draft)
                draft = body.pop("_draft", "")
                if not body:
                    continue
                await self._decide(hold, body)
            except LoomError as error:
                draft = error.draft if isinstance(error, DraftError) else draft
                self._errors.warning(str(error))
                if hold.id not in self._holds:
                    return "gone"
                continue
            if body.get("action") != HoldAction.EDIT:
                return "decided"
            hold = await self._client.get(f"/api/holds/{hold.id}", HoldDetail)
            self._write(hold)

    async def _end(self, key: str) -> str:
        """What a key does that decides nothing on the item alone."""
        if key == "gone":
            self._errors.warning("it was sent automatically, or its call is over")
        elif key == "R":
            await self._client.send("POST", "/api/holds/resume", Holds)
            return "decided"
        return _ENDS[key]

    async def _key(self, hold: HoldDetail, keyboard: Keyboard) -> str:
        """The next key, or ``gone`` once the item is no longer held."""
        key = asyncio.ensure_future(keyboard.key())
        try:
            while hold.id in self._holds:
                self._changed.clear()
                change = asyncio.ensure_future(self._changed.wait())
                await asyncio.wait({key, change}, return_when=asyncio.FIRST_COMPLETED)
                change.cancel()
                if key.done():
                    return key.result()
            return "gone"
        finally:
            key.cancel()

    async def _decide(self, hold: HoldDetail, body: dict[str, Any]) -> None:
        self._update(await self._client.send("POST", f"/api/holds/{hold.id}", Holds, body))

    def _write(self, hold: HoldDetail) -> None:
        if self._as_json:
            self._output.json(hold)
        else:
            write_hold(hold, self._output)
