"""``loom grpcurl ID``: a recorded call as a command that sends it again."""

import sys
from pathlib import Path

import click

from loom.api.replay import GrpcurlCommand
from loom.errors import LoomError

from .api_client import Attached, attach_options
from .completion import call_id
from .options import CallId
from .output import Output, run

_EXIT_NONE = 1


@click.command("grpcurl")
@click.argument("call", type=CallId(), metavar="ID", shell_complete=call_id)
@click.option("--reveal", is_flag=True, help="Show secrets instead of masking them.")
@click.option(
    "--via-loom", is_flag=True, help="Address Loom instead of the target, so that the call is recorded again."
)
@click.option(
    "--protoset",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Save the schema to this file and have the command read it; needed where the server has no reflection.",
)
@attach_options
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
    """Print the grpcurl command that sends a recorded call again; notes about it go to stderr.

    Exit code 1 if grpcurl cannot send the call.

    \b
        loom grpcurl 12 --reveal | sh
    """
    output, notes = Output(), Output(sys.stderr)

    async def work() -> int:
        async with Attached(ui, token) as attached:
            if protoset is not None:
                _save(protoset, await attached.get_bytes(f"/api/calls/{call}/protoset"))
            answer = await attached.get(
                f"/api/calls/{call}/grpcurl",
                GrpcurlCommand,
                reveal=int(reveal),
                via="loom" if via_loom else None,
                protoset=protoset,
            )
        for note in answer.notes:
            notes.line(notes.palette.doubtful(f"# {note}"))
        if not answer.command:
            return _EXIT_NONE
        output.line(answer.command)
        return 0

    ctx.exit(run(work))


def _save(file: Path, data: bytes) -> None:
    try:
        file.write_bytes(data)
    except OSError as error:
        raise LoomError(f"--protoset {file}: {error.strerror}") from error
