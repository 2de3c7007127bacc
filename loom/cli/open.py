"""``loom open FILE``: a bundle, or any file of calls, in the page: offline, read-only."""

import asyncio
import os
from pathlib import Path

import click

from loom.runtime.call_formatting import show_count
from loom.runtime.config_loading import load
from loom.runtime.viewer import Viewer


@click.command("open")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--ui", metavar="HOST:PORT", help="Where the page is.  [default: localhost:9998, or any free port]"
)
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="Read this loom.toml.")
def command(file: Path, ui: str | None, config: Path | None) -> None:
    """Show the calls of FILE: a bundle, NDJSON, a session's database or grpc-dump's JSON.

    Nothing is forwarded, sent or changed; Ctrl-C ends it.
    """
    configuration = load({} if ui is None else {"ui": ui}, os.environ, config=config)
    asyncio.run(_show(Viewer(file, configuration.settings, any_port="ui" not in configuration.origins)))


async def _show(viewer: Viewer) -> None:
    try:
        await viewer.start()
        for problem in viewer.problems:
            click.echo(f"loom: {problem}", err=True)
        click.echo(f"{viewer.path}: {show_count(len(viewer.history), 'call')}, read-only")
        click.echo(f"  page     {viewer.page_url}")
        await viewer.run_until_stopped()
    finally:
        await viewer.stop()
