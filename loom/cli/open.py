"""``loom open FILE``: show a file of calls in the inspector, offline and read-only."""

import asyncio
import os
import sys
from pathlib import Path

import click

from loom.runtime.config_loading import load
from loom.runtime.viewer import Viewer
from loom.units import format_count

from .output import Output


@click.command("open")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--ui",
    metavar="HOST:PORT",
    help="The address of the inspector. [default: localhost:9998, or any free port]",
)
@click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", help="Read settings from this file."
)
def command(file: Path, ui: str | None, config: Path | None) -> None:
    """Show the calls of FILE in the inspector: a bundle, NDJSON, a session file, or grpc-dump's JSON.

    The inspector is read-only: nothing is forwarded, sent or changed. Ctrl-C stops it.
    """
    configuration = load({} if ui is None else {"ui": ui}, os.environ, config=config)
    viewer = Viewer(file, configuration.settings, any_port="ui" not in configuration.origins)
    asyncio.run(_show(viewer, Output(), Output(sys.stderr)))


async def _show(viewer: Viewer, output: Output, errors: Output) -> None:
    try:
        await viewer.start()
        for problem in viewer.problems:
            errors.warning(problem)
        output.line(f"{viewer.path}: {format_count(len(viewer.history), 'call')}, read-only")
        output.line(f"  page     {viewer.page_url}")
        await viewer.run_until_stopped()
    finally:
        await viewer.stop()
