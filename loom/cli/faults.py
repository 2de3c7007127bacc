"""``loom faults``: those of a running Loom, and how clients reacted to them."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from loom.errors import LoomError
from loom.formats.call_file import CallFile
from loom.interception.amounts import parse_duration
from loom.interception.fault_report import FaultTally, junit_report, report_faults
from loom.recording.query import Query
from loom.runtime.config_loading import load
from loom.search.matching import CallMatcher
from loom.units import format_count

from .completion import session_or_file
from .formatting import seed_lines
from .options import FILTER_HELP, FILTER_NAMES, FilterType
from .output import Output
from .replay import find_source
from .running_faults import list_command, off_command, on_command, remove_command, set_command

_EXIT_NOT_RETRIED = 1
_EXIT_USAGE = 2


@click.group("faults", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Inject faults into the calls of a running Loom, and report how clients react to them."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(_EXIT_USAGE)


for _command in (list_command, set_command, on_command, off_command, remove_command):
    command.add_command(_command)


class _Duration(click.ParamType[float]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@command.command("report")
@click.argument("source", default="default", metavar="SESSION", shell_complete=session_or_file)
@click.option(*FILTER_NAMES, "--filter", default="", type=FilterType(), metavar="FILTER", help=FILTER_HELP)
@click.option(
    "--window",
    type=_Duration(),
    default="10s",
    show_default=True,
    metavar="DURATION",
    help="A call that starts within this time of another's end may be its retry.",
)
@click.option("--key", default="", metavar="KEY", help="The metadata key by which a retry is known.")
@click.option(
    "--expect", multiple=True, metavar="NAME", help="A fault that must have hit a call. May be repeated."
)
@click.option(
    "--junit", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write JUnit XML."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per fault.")
@click.option("--data-dir", type=click.Path(path_type=Path), metavar="DIR", help="Directory of the sessions.")
def report(
    source: str,
    query: Query,
    window: float,
    key: str,
    expect: tuple[str, ...],
    junit: Path | None,
    data_dir: Path | None,
    *,
    as_json: bool,
) -> None:
    """Report for each fault in SESSION what the clients got, whether they retried, and how it ended.

    SESSION is the name of a session, or a file of calls.

    Exit codes: 0 every error that a fault caused was retried; 1 one was not, or an expected fault hit no call; 2 usage
    error.
    """
    flags = {} if data_dir is None else {"data_dir": str(data_dir)}
    settings = load(flags, os.environ).settings
    with CallFile(find_source(source, settings)) as file:
        content = file.read()
        tallies = report_faults(
            CallMatcher(query).select(content.calls), window=window, key=key.lower(), names=expect
        )
        for problem in content.problems:
            Output(sys.stderr).warning(problem)
    if junit is not None:
        try:
            junit.write_bytes(junit_report(tallies))
        except OSError as error:
            raise LoomError(f"--junit {junit}: {error.strerror}") from error
    _print(tallies, as_json=as_json)
    if not as_json and tallies:
        for line in seed_lines(content.fault_seeds):
            Output().line(line)
    failed = any(tally.not_retried or not tally.hit for tally in tallies)
    click.get_current_context().exit(_EXIT_NOT_RETRIED if failed else 0)


def _print(tallies: list[FaultTally], *, as_json: bool) -> None:
    output = Output()
    if as_json:
        for tally in tallies:
            output.json(_json(tally))
        return
    if not tallies:
        output.line("no fault acted on a call")
    for tally in tallies:
        output.line(f"{tally.name}: {format_count(tally.hit, 'call')} hit")
        for label, counter in (("client got", tally.client_got), ("ended with", tally.ended)):
            if counter:
                output.line(
                    f"  {label}  {', '.join(f'{count} {name}' for name, count in counter.most_common())}"
                )
        output.line(f"  retried     {tally.retried} of {tally.hit}, {format_count(tally.retries, 'time')}")
        output.line(f"  {tally.sentence}")
        if tally.failed_for_good:
            output.line(f"  not retried: {', '.join(f'#{call_id}' for call_id in tally.failed_for_good)}")


def _json(tally: FaultTally) -> dict[str, Any]:
    return {
        "name": tally.name,
        "hit": tally.hit,
        "client_got": dict(tally.client_got),
        "retried": tally.retried,
        "retries": tally.retries,
        "ended": dict(tally.ended),
        "not_retried": dict(tally.not_retried),
        "failed_for_good": tally.failed_for_good,
        "sentence": tally.sentence,
    }
