"""``loom check``: check a configuration without starting Loom."""

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Any

import click

from loom.runtime.config_loading import Configuration, load
from loom.units import format_count

from .flags import flag_values, flags
from .output import Output

_EXIT_PROBLEM = 2


def _check(file: Path | None, **parameters: Any) -> None:
    """Check a configuration: all that a start would, and when certificates expire. Nothing is bound or changed.

    \b
        loom check loom.toml
        loom check --target orders:443 --tls --rules rules.toml

    FILE is a configuration file; without one, the loom.toml that a start would find. The flags are those of a start.

    Exit codes: 0 Loom would start; 2 it would not, or its peers would refuse it, and why.
    """
    configuration = load(flag_values(parameters), os.environ, config=file)
    logging.getLogger("loom").propagate = False  # what would be logged is among the problems
    problems = asyncio.run(_problems(configuration))
    errors = Output(sys.stderr)
    for text, fatal in problems:
        errors.warning(text if fatal else f"warning: {text}")
    where = f" ({configuration.file})" if configuration.file else ""
    fatal_count = sum(fatal for _, fatal in problems)
    if fatal_count:
        raise click.exceptions.Exit(_EXIT_PROBLEM)
    Output().line(f"the configuration is valid{where}, {format_count(len(problems), 'warning')}")


async def _problems(configuration: Configuration) -> list[tuple[str, bool]]:
    # Here, as this imports the engines' checks and the compiler of schemas, which help does not need.
    from loom.runtime.config_check import check_configuration  # noqa: PLC0415

    return [(problem.text, problem.fatal) async for problem in check_configuration(configuration.settings)]


_FILE = click.Argument(["file"], required=False, type=click.Path(path_type=Path), metavar="[FILE]")

command = click.Command("check", callback=_check, params=[_FILE, *flags()], help=_check.__doc__)
