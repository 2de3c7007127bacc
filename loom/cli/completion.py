"""``loom completion SHELL``: shell completion, including call ids and session names."""

import asyncio
import os
from collections.abc import Iterator

import click
from click.shell_completion import CompletionItem, get_completion_class

from loom.api.calls import CallsPage, Summary
from loom.errors import LoomError
from loom.runtime.config_loading import load

_MAX_CALLS = 30
_TIMEOUT = 1.0  # seconds
DATA_DIR_META = "loom.cli.data_dir"
"""The key of a click context's ``meta`` for a ``--data-dir`` that was parsed before."""


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a shell, for commands, flags, call ids and session names.

    \b
        bash   echo 'eval "$(loom completion bash)"' >> ~/.bashrc
        zsh    echo 'eval "$(loom completion zsh)"' >> ~/.zshrc
        fish   loom completion fish > ~/.config/fish/completions/loom.fish
    """
    completion = get_completion_class(shell)
    if completion is None:
        raise LoomError(f"this version of click has no completion for {shell}; upgrade click")
    root = click.get_current_context().find_root().command
    click.echo(completion(root, {}, "loom", "_LOOM_COMPLETE").source())


def call_id(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Complete ids of the newest calls of the running Loom; nothing if there is none."""
    ui = ctx.params.get("ui") or os.environ.get("LOOM_UI") or "localhost:9998"
    token = ctx.params.get("token") or os.environ.get("LOOM_TOKEN")
    try:
        calls = asyncio.run(_newest_calls(ui, token))
    except LoomError:
        return []
    return [
        CompletionItem(str(call.id), help=_describe(call))
        for call in reversed(calls)
        if str(call.id).startswith(incomplete)
    ]


async def _newest_calls(ui: str, token: str | None) -> list[Summary]:
    import aiohttp  # noqa: PLC0415 (a heavy import, which completing other arguments does not need)

    from .api_client import ApiClient  # noqa: PLC0415

    async with ApiClient(ui, token, aiohttp.ClientTimeout(total=_TIMEOUT)) as client:
        page = await client.get("/api/calls", CallsPage, limit=_MAX_CALLS, memory=1)
        return page.calls


def _describe(call: Summary) -> str:
    from loom.runtime.terminal import terminal_safe  # noqa: PLC0415 (as above)

    return terminal_safe(f"{call.method} {call.status.name if call.status else 'in flight'}")


def existing_session(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Complete names of the sessions on disk."""
    from loom.sessions import list_sessions, sessions_directory  # noqa: PLC0415 (as above)

    try:
        settings = load(_data_dir_flag(ctx), os.environ).settings
    except LoomError:  # reported when the command runs
        return []
    sessions = list_sessions(sessions_directory(settings.data_dir))
    return [CompletionItem(info.name) for info in sessions if info.name.startswith(incomplete)]


def session_or_file(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete names of the sessions on disk, or else files."""
    sessions = existing_session(ctx, parameter, incomplete)
    return sessions or [CompletionItem(incomplete, type="file")]


def _data_dir_flag(ctx: click.Context) -> dict[str, object]:
    """The ``--data-dir`` on the command line so far, before the subcommand or after it."""
    from_contexts = (context.params.get("data_dir") for context in _with_parents(ctx))
    data_dir = next(filter(None, from_contexts), None) or ctx.meta.get(DATA_DIR_META)
    return {} if data_dir is None else {"data_dir": str(data_dir)}


def _with_parents(ctx: click.Context | None) -> Iterator[click.Context]:
    while ctx is not None:
        yield ctx
        ctx = ctx.parent
