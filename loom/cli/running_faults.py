"""``loom faults list``, ``set``, ``on``, ``off`` and ``remove``: what acts on the traffic of a running Loom."""

import sys
from collections.abc import Iterator

import click

from loom.api.rules import Rules, RuleState
from loom.interception.faults import fault_table
from loom.runtime.terminal import Palette
from loom.units import format_count, format_duration

from .api_client import ApiClient, api_options
from .output import Output, color_option, run

_TABLES = "/api/rules/tables"


@click.command("list")
@click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON object per rule or fault (docs/reference/api.md)."
)
@color_option
@api_options
@click.pass_context
def list_command(
    ctx: click.Context, *, as_json: bool, color: bool | None, ui: str, token: str | None
) -> None:
    """List the rules and faults of a running Loom, and what they did."""
    output, errors = Output(color=color), Output(sys.stderr, color=color)

    async def list_rules() -> None:
        async with ApiClient(ui, token) as client:
            rules = await client.get("/api/rules", Rules)
        for problem in [rules.problem, *rules.warnings]:
            if problem:
                errors.warning(problem)
        if as_json:
            for state in rules.rules:
                output.json(state)
            return
        for line in _lines(rules, output.palette):
            output.line(line)

    ctx.exit(run(list_rules))


@click.command("set")
@click.argument("fault", metavar="'FILTER :: WHAT'")
@click.option(
    "--name", default="", metavar="NAME", help="Its name; replaces the fault of that name, if it was set."
)
@color_option
@api_options
@click.pass_context
def set_command(
    ctx: click.Context, fault: str, name: str, *, color: bool | None, ui: str, token: str | None
) -> None:
    """Inject a fault into the calls of a running Loom that start from now on, until it is removed or Loom stops.

    \b
        loom faults set 'method:GetOrder :: status=UNAVAILABLE; percent=20' --name flaky
        loom faults set 'method:GetOrder :: delay=2s' --name flaky
        loom faults remove flaky
    """
    table = fault_table(fault, "")
    if name:
        table["name"] = name

    async def set_fault() -> None:
        async with ApiClient(ui, token) as client:
            before = await client.get("/api/rules", Rules)
            replaces = any(state.name == name and state.source == "api" for state in before.rules)
            body = {"fault": table, **({"name": name} if replaces else {})}
            after = await client.send("PUT" if replaces else "POST", _TABLES, Rules, body)
        known = {state.name for state in before.rules} - ({name} if replaces else set())
        _print(after, {state.name for state in after.rules} - known, Output(color=color))

    ctx.exit(run(set_fault))


def _switch_command(verb: str, *, enabled: bool, text: str) -> click.Command:
    @click.command(verb, help=text)
    @click.argument("names", nargs=-1, metavar="[NAME]...")
    @color_option
    @api_options
    @click.pass_context
    def command(
        ctx: click.Context, names: tuple[str, ...], *, color: bool | None, ui: str, token: str | None
    ) -> None:
        async def switch() -> None:
            async with ApiClient(ui, token) as client:
                for name in names or [""]:
                    rules = await client.send("POST", "/api/rules", Rules, {"enabled": enabled, "name": name})
            _print(rules, set(names) or {state.name for state in rules.rules}, Output(color=color))

        ctx.exit(run(switch))

    return command


on_command = _switch_command(
    "on",
    enabled=True,
    text="Switch rules and faults of a running Loom on by their names; without a name, what acts at all: those that "
    "were switched off one by one stay off.",
)
off_command = _switch_command(
    "off",
    enabled=False,
    text="Switch rules and faults of a running Loom off by their names; without a name, everything that acts on "
    "traffic, at once. Calls that have started keep what they started with.",
)


@click.command("remove")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@color_option
@api_options
@click.pass_context
def remove_command(
    ctx: click.Context, names: tuple[str, ...], *, color: bool | None, ui: str, token: str | None
) -> None:
    """Remove rules and faults that were added to a running Loom, by 'set' or on the page."""

    async def remove() -> None:
        async with ApiClient(ui, token) as client:
            for name in names:
                rules = await client.send("DELETE", _TABLES, Rules, name=name)
        _print(rules, {state.name for state in rules.rules}, Output(color=color))

    ctx.exit(run(remove))


def _print(rules: Rules, names: set[str], output: Output) -> None:
    for line in _lines(rules, output.palette, names):
        output.line(line)


def _lines(rules: Rules, palette: Palette, names: set[str] | None = None) -> Iterator[str]:
    """The state of all rules, then of each, or of those of ``names``."""
    if not rules.rules:
        yield "nothing acts on traffic: no rules, no faults"
        return
    switch = "" if rules.enabled else palette.warning(" (all are switched off: loom faults on)")
    count = "1 rule or fault" if rules.acting == 1 else f"{rules.acting} rules and faults"
    yield f"{count} in force{switch}, seed {rules.seed}"
    for state in rules.rules:
        if names is None or state.name in names:
            yield from _rule_lines(state, palette)


def _rule_lines(state: RuleState, palette: Palette) -> Iterator[str]:
    marks = [mark for mark, holds in (("off", not state.enabled), ("expired", state.expired)) if holds]
    mark = palette.dim(f" [{', '.join(marks)}]") if marks else ""
    origin = (
        f"{state.path}:{state.line}"
        if state.path
        else {"flag": "--fault", "api": "added"}.get(state.source, "")
    )
    yield f"{palette.bold(state.name)}{mark} {palette.dim(origin)}"
    yield f"  {state.description}"
    counts = [f"matched {state.matched:,}"]
    counts += [f"selected {state.selected:,}"] if state.selected not in {state.matched, state.acted} else []
    counts += [f"acted on {state.acted:,}"]
    counts += [f"{state.active:,} now"] if state.active else []
    counts += [f"{state.overflow:,} passed as too many were active"] if state.overflow else []
    if state.expires_in_s:
        counts.append(f"turns itself off in {format_duration(int(state.expires_in_s * 1e9))}")
    yield f"  {', '.join(counts)}"
    if state.failures:
        yield palette.warning(f"  not applied {format_count(state.failures, 'time')}: {state.last_error}")
