"""``loom rules``: check a file of rules, or try it on recorded calls."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from loom.decoding.stored_schema import StoredSchema
from loom.formats.call_file import CallFile
from loom.interception import RuleSet, load_rules
from loom.interception.call_rules import Types
from loom.interception.dry_run import DryRun, TriedCall, TriedItem
from loom.model import Secrets
from loom.model.interception import Item, MessageItem
from loom.recording.query import Query
from loom.replay.item_diff import diff_items, item_value
from loom.replay.report import change_line
from loom.runtime.config_loading import load
from loom.runtime.terminal import shorten
from loom.search.matching import CallMatcher
from loom.units import format_count, format_duration

from .completion import session_or_file
from .formatting import rule_lines
from .options import FILTER_HELP, FILTER_NAMES, FilterType
from .output import Output
from .replay import find_source

_MAX_LINE = 2000
_EXIT_NOTHING = 1
_EXIT_USAGE = 2

_FILES = click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path, dir_okay=False)
)


@click.group("rules", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Work with files of rules and faults, which 'loom --rules FILE' applies."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(_EXIT_USAGE)


@command.command("check")
@_FILES
def check(files: tuple[Path, ...]) -> None:
    """Check files of rules, and show what each rule does.

    Exit codes: 0 every file can be used; 2 one cannot, and why.
    """
    rules = load_rules(files)
    output = Output()
    for rule in rules:
        output.line(rule.sentence)
    for warning in RuleSet(rules).warnings:
        Output(sys.stderr).warning(warning)
    output.line(
        f"{format_count(len(rules), 'rule')} in {format_count(len(files), 'file')}, for the relay engine"
    )


@command.command("test")
@_FILES
@click.option(
    "--session",
    "source",
    default="default",
    show_default=True,
    metavar="NAME",
    help="The session, or a file of calls, to try the rules on.",
    shell_complete=session_or_file,
)
@click.option(*FILTER_NAMES, "--filter", default="", type=FilterType(), metavar="FILTER", help=FILTER_HELP)
@click.option("--seed", type=int, default=0, show_default=True, help="The seed of --fault-seed.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per call that rules act on.")
@click.option("--data-dir", type=click.Path(path_type=Path), metavar="DIR", help="Directory of the sessions.")
def test(
    files: tuple[Path, ...], source: str, query: Query, seed: int, data_dir: Path | None, *, as_json: bool
) -> None:
    """Try rules on recorded calls: show what would have matched and changed. Nothing is sent.

    \b
        loom rules test rules.toml --session default -q method:GetCart

    Exit codes: 0 a rule would have acted; 1 none would; 2 usage error.
    """
    rules = load_rules(files)
    flags = {} if data_dir is None else {"data_dir": str(data_dir)}
    settings = load(flags, os.environ).settings
    path = find_source(source, settings)
    output = Output()
    schema, secrets = _read_schema(path)
    secrets.add(settings.secrets)
    run = DryRun(RuleSet(rules, seed=seed), _types(schema))
    acted = 0
    with CallFile(path) as file:
        content = file.read()
        for call in CallMatcher(query, schema).select(content.calls):
            tried = run.run(call)
            if tried is None:
                continue
            acted += tried.is_acted_on
            if as_json:
                output.json(_json(tried, secrets))
                continue
            for line in _lines(tried, secrets):
                output.line(shorten(line, _MAX_LINE))
        for problem in content.problems:
            Output(sys.stderr).warning(problem)
    if not as_json:
        output.line(
            f"rules would have acted on {acted} of {format_count(run.tried, 'call')}; nothing was sent"
        )
        for line in rule_lines(run.rules):
            output.line(line)
    click.get_current_context().exit(0 if acted else _EXIT_NOTHING)


def _read_schema(path: Path) -> tuple[StoredSchema, Secrets]:
    """The descriptors of a file of calls, which it may have at its end, and the keys that it masks."""
    with CallFile(path) as file:
        content = file.read()
        for _ in content.calls:
            pass
        return StoredSchema(content.descriptors), Secrets((*Secrets().keys, *content.masked))


def _types(schema: StoredSchema) -> Any:
    def types_of(path: str) -> Types:
        method = schema.method(path)
        problem = "" if method is not None else "no schema was stored for its method"
        return Types(method, schema.resolver(method), problem)

    return types_of


def _lines(tried: TriedCall, secrets: Secrets) -> Iterator[str]:
    call = tried.call
    yield f"#{call.id} {call.method}"
    if not tried.items:
        yield "  a rule matches, and changes nothing"
    for item in tried.items:
        names = ", ".join(dict.fromkeys(action.name for action in item.actions))
        where = f"{item.point} {item.index}" if isinstance(item.came, MessageItem) else str(item.point)
        yield f"  {where}: {'; '.join(action.effect for action in item.actions)} [{names}]"
        for line in _changes(tried, item, secrets):
            yield f"    {line}"


def _changes(tried: TriedCall, item: TriedItem, secrets: Secrets) -> Iterator[str]:
    """What would have gone on instead, as differences."""
    if item.delay:
        yield f"after {format_duration(int(item.delay * 1e9))}"
    if item.end is not None:
        yield f"the call ends with {item.end.status.name}: {item.end.status.message}".rstrip(": ")
        return
    if item.never:
        yield "nothing goes on until the call's deadline, or until the client cancels"
        return
    if item.cancels_target:
        yield "the target's call is cancelled, and the client waits"
    yield from _replacement(tried, item, secrets)


def _replacement(tried: TriedCall, item: TriedItem, secrets: Secrets) -> Iterator[str]:
    copies = item.went.count(item.came)
    added = [other for other in item.went if other != item.came]
    if not item.went:
        yield f"does not go on: {_shown(tried, item.came, item, secrets)}"
    elif not copies:
        for change in diff_items(item.came, added.pop(0), item.point, tried.types, secrets):
            yield change_line(change)
    elif copies > 1:
        yield f"goes on {copies} times"
    for other in added:
        yield f"adds {_shown(tried, other, item, secrets)}"


def _shown(tried: TriedCall, one: Item, item: TriedItem, secrets: Secrets) -> str:
    value = item_value(one, item.point, tried.types, secrets)
    return json.dumps(value, ensure_ascii=False, default=str)


def _json(tried: TriedCall, secrets: Secrets) -> dict[str, Any]:
    return {
        "id": tried.call.id,
        "method": tried.call.method,
        "items": [
            {
                "point": item.point,
                "index": item.index,
                "actions": [{"kind": a.kind, "name": a.name, "effect": a.effect} for a in item.actions],
                "came": item_value(item.came, item.point, tried.types, secrets),
                "went": [item_value(one, item.point, tried.types, secrets) for one in item.went],
                "end": None
                if item.end is None
                else {"code": item.end.status.name, "message": item.end.status.message},
                "delay_us": round(item.delay * 1e6),
            }
            for item in tried.items
        ],
    }
