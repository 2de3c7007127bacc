"""The options of ``loom replay`` beside the settings."""

from pathlib import Path

import click

from loom.api.replay import ReplayTiming

from .completion import session_or_file
from .options import FILTER_HELP, FILTER_NAMES, FilterType


def replay_options() -> list[click.Parameter]:
    """The argument and the options, in the order of the help."""
    return [
        click.Argument(["source"], metavar="SESSION|FILE", shell_complete=session_or_file),
        click.Option(
            FILTER_NAMES,
            default="",
            type=FilterType(),
            metavar="FILTER",
            help=FILTER_HELP,
        ),
        click.Option(
            ["--ignore"],
            multiple=True,
            metavar="PATH",
            help="Do not compare this path (docs/how-to/replay.md). May be repeated, or a comma-separated list.",
        ),
        click.Option(
            ["-H", "--metadata"],
            multiple=True,
            metavar="KEY: VALUE",
            help="Send this instead of the recorded values of KEY. May be repeated.",
        ),
        click.Option(
            ["--timing"],
            type=click.Choice([item.value for item in ReplayTiming]),
            default="fast",
            show_default=True,
            help="When to send the messages of a stream: back to back, as recorded, or in turns with the responses.",
        ),
        click.Option(
            ["--concurrency"],
            type=click.IntRange(1, 1000),
            default=1,
            show_default=True,
            help="Maximum number of calls in flight.",
        ),
        click.Option(
            ["--patience"],
            type=click.FloatRange(0.001),
            default=60.0,
            show_default=True,
            metavar="SECONDS",
            help="Timeout of each call.",
        ),
        click.Option(
            ["--include-replays"], is_flag=True, help="Also send calls that are replays themselves."
        ),
        click.Option(
            ["--came"],
            is_flag=True,
            help="Send what came from the clients, where a rule or a fault had altered it, not what went on.",
        ),
        click.Option(
            ["--through-rules"],
            is_flag=True,
            help="Have --rules and --fault, of flags or of the configuration, act on what is sent. Implies --came, and "
            "answers are compared with what the clients got.",
        ),
        click.Option(["--fail-on-diff"], is_flag=True, help="Exit with 1 if a response differs."),
        click.Option(
            ["--junit"],
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Write a JUnit XML report to this file.",
        ),
        click.Option(
            ["--json", "as_json"], is_flag=True, help="Print a JSON object per call instead of the table."
        ),
        click.Option(
            ["--config"],
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Read settings from this file.",
        ),
    ]
