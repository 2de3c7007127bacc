"""``loom reload``: let a running Loom load its settings again."""

import sys

import click

from loom.api.reload import Reloaded
from loom.errors import ReloadError

from .api_client import ApiClient, api_options
from .output import Output, color_option, run

_EXIT_PROBLEM = 2


@click.command("reload")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON (docs/reference/api.md).")
@color_option
@api_options
@click.pass_context
def command(ctx: click.Context, *, as_json: bool, color: bool | None, ui: str, token: str | None) -> None:
    """Load the settings of a running Loom again, with the files that they name, while calls go on.

    \b
        loom check loom.toml && loom reload

    Loom reads its loom.toml again, with the flags and variables of its own start. If there is an error, nothing changes
    (docs/how-to/restart.md). Signal SIGHUP does the same.

    Exit codes: 0 reloaded, and what changed; 2 the settings have errors, and which.
    """
    output, errors = Output(color=color), Output(sys.stderr, color=color)

    async def reload() -> int:
        async with ApiClient(ui, token) as client:
            try:
                reloaded = await client.send("POST", "/api/reload", Reloaded)
            except ReloadError as error:
                for problem in error.problems:
                    errors.warning(problem)
                return _EXIT_PROBLEM
        for warning in reloaded.warnings:
            errors.warning(f"warning: {warning}")
        if as_json:
            output.json(reloaded)
            return 0
        for change in reloaded.changes:
            output.line(_line(change.key, change.effect))
        if not reloaded.changes:
            output.line("reloaded: nothing has changed")
        return 0

    ctx.exit(run(reload))


def _line(key: str, effect: str) -> str:
    if effect == "restart":
        return f"{key}: needs a restart"
    return f"{key}: changed" + (", for new connections" if effect == "new connections" else "")
