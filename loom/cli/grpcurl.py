"""``loom grpcurl ID``: print the grpcurl command of a recorded call."""

import sys
from pathlib import Path

import click

from loom.api.replay import GrpcurlCommand
from loom.errors import LoomError

from .api_client import ApiClient, api_options
from .completion import call_id
from .options import CallId
from .output import Output, run

_EXIT_NO_COMMAND = 1


@click.command("grpcurl")
@click.argument("call", type=CallId(), metavar="ID", shell_complete=call_id)
@click.option("--reveal", is_flag=True, help="Show secrets instead of masking them.")
@click.option("--via-loom", is_flag=True, help="Address Loom instead of the target, to record the new call.")
@click.option(
    "--protoset",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Save the schema to FILE and use it in the command, for servers without reflection.",
)
@api_options
@click.pass_context
def command(
    ctx: click.Context,
    call: int,
    *,
    reveal: bool,
    via_loom: bool,
    protoset: Path | None,
    ui: str,
    token: str | None,
) -> None:
    """Print the grpcurl command that sends a recorded call again. Notes about it go to stderr.

    The exit code is 1 if grpcurl cannot send the call.

    \b
        loom grpcurl 12 --reveal | sh
    """
    output, notes = Output(), Output(sys.stderr)

    async def print_command() -> int:
        async with ApiClient(ui, token) as client:
            if protoset is not None:
                _save(protoset, await client.get_bytes(f"/api/calls/{call}/protoset"))
            answer = await client.get(
                f"/api/calls/{call}/grpcurl",
                GrpcurlCommand,
                reveal=int(reveal),
                via="loom" if via_loom else None,
                protoset=protoset,
            )
        for note in answer.notes:
            notes.line(notes.palette.warning(f"# {note}"))
        if not answer.command:
            return _EXIT_NO_COMMAND
        output.verbatim(answer.command)
        return 0

    ctx.exit(run(print_command))


def _save(file: Path, data: bytes) -> None:
    try:
        file.write_bytes(data)
    except OSError as error:
        raise LoomError(f"--protoset {file}: {error.strerror}") from error
