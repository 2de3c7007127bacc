"""``loom completion SHELL``, and what the shell is offered for ids and sessions."""

import asyncio
import os
from collections.abc import Iterator

import click
from click.shell_completion import CompletionItem, get_completion_class

from loom.api.calls import CallsPage, Summary
from loom.errors import LoomError
from loom.runtime.config_loading import load

_OFFERED = 30
_PATIENCE = 1.0  # seconds


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print what a shell needs to complete loom's commands, flags, call ids and session names.

    \b
        bash   echo 'eval "$(loom completion bash)"' >> ~/.bashrc
        zsh    echo 'eval "$(loom completion zsh)"' >> ~/.zshrc
        fish   loom completion fish > ~/.config/fish/completions/loom.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise LoomError(f"there is no completion for {shell}")
    root = click.get_current_context().find_root().command
    click.echo(kind(root, {}, "loom", "_LOOM_COMPLETE").source())


def call_id(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """The newest calls of the running Loom; nothing where there is none."""
    ui = ctx.params.get("ui") or os.environ.get("LOOM_UI") or "localhost:9998"
    token = ctx.params.get("token") or os.environ.get("LOOM_TOKEN")
    try:
        calls = asyncio.run(_newest(ui, token))
    except LoomError:
        return []
    return [
        CompletionItem(str(call.id), help=_described(call))
        for call in reversed(calls)
        if str(call.id).startswith(incomplete)
    ]


async def _newest(ui: str, token: str | None) -> list[Summary]:
    import aiohttp  # noqa: PLC0415 (other commands have their arguments completed here, and need none of it)

    from .api_client import Attached  # noqa: PLC0415

    async with Attached(ui, token, aiohttp.ClientTimeout(total=_PATIENCE)) as attached:
        answer = await attached.get("/api/calls", CallsPage, limit=_OFFERED, memory=1)
        return answer.calls


def _described(call: Summary) -> str:
    return f"{call.method} {call.status.name if call.status else 'live'}"


def existing_session(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """The sessions on disk."""
    from loom.sessions import list_sessions, sessions_directory  # noqa: PLC0415 (completion must be quick)

    try:
        settings = load(_flags_so_far(ctx), os.environ).settings
    except LoomError:  # whoever runs the command is told
        return []
    found = list_sessions(sessions_directory(settings.data_dir))
    return [CompletionItem(info.name) for info in found if info.name.startswith(incomplete)]


def session_name(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The sessions on disk, and files."""
    offered = existing_session(ctx, parameter, incomplete)
    return offered or [CompletionItem(incomplete, type="file")]


def _flags_so_far(ctx: click.Context) -> dict[str, object]:
    """Where sessions are, if the line says so already: before the subcommand, or after it."""
    told = next((here.params["data_dir"] for here in _upwards(ctx) if here.params.get("data_dir")), None)
    told = told or ctx.meta.get("loom.cli.sessions.data_dir")
    return {} if told is None else {"data_dir": str(told)}


def _upwards(ctx: click.Context) -> Iterator[click.Context]:
    here: click.Context | None = ctx
    while here is not None:
        yield here
        here = here.parent
