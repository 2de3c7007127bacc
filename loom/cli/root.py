"""The ``loom`` command: flags, help by heading, subcommands, and errors as one line."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

import loom
from loom.errors import LoomError
from loom.runtime.config_loading import load

from .commands import COMMANDS
from .flags import SECTIONS, Flag, flags, given

_EPILOG = """\b
Every setting can also be a variable (--history-bytes is LOOM_HISTORY_BYTES) or a key of
loom.toml (history-bytes), which is looked for in the working directory and in the user's
configuration directory. Flags win over variables, variables over the file."""
_EXIT_WRONG = 2
_EXIT_INTERRUPTED = 130


class Root(click.Group):
    """A group that runs the proxy when no subcommand is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Reading the flags may print already: ``--help | head``."""
        with _readers_may_leave():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with _readers_may_leave():
            return super().invoke(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        entry = COMMANDS.get(cmd_name)
        return None if entry is None else entry.load()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Flags under their headings, then the subcommands."""
        headings: dict[str, list[tuple[str, str]]] = {heading: [] for heading in SECTIONS}
        other: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                where = headings[parameter.section] if isinstance(parameter, Flag) else other
                where.append(record)
        for heading, records in [*headings.items(), ("Other", other)]:
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records, col_max=32)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """From the table, without importing any of them."""
        if COMMANDS:
            with formatter.section("Commands"):
                formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


@contextlib.contextmanager
def _readers_may_leave() -> Iterator[None]:
    """Whoever reads the output may have enough of it: no error, for any command."""
    try:
        yield
    except BrokenPipeError:
        _forget_output()
        raise click.exceptions.Exit(0) from None


def _forget_output() -> None:
    from .output import forget  # noqa: PLC0415 (seldom needed)

    forget(sys.stdout)


def _run(ctx: click.Context, /, config: Path | None, **parameters: Any) -> None:
    """Watch gRPC calls pass: clients call Loom, Loom calls the target, the page shows every call live.

    \b
        loom --demo                      look around without a backend of your own
        loom --target localhost:50051    then point the client at localhost:9999
    """
    found = given(parameters)
    if ctx.invoked_subcommand is not None:
        if found:
            flag = "--" + next(iter(found)).replace("_", "-")
            raise click.UsageError(
                f"{flag} is about running the proxy; flags of '{ctx.invoked_subcommand}' come after it"
            )
        return
    loaded = load(found, os.environ, config=config)
    # Its core would log a line for each connection that ends; read once, when it is imported.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from .run import run  # noqa: PLC0415 (it imports gRPC, which help and completion do not need)

    ctx.exit(run(loaded))


def make_command() -> click.Group:
    """The ``loom`` command."""
    config = click.Option(
        ["--config"], type=click.Path(path_type=Path), metavar="FILE", help="Read this loom.toml."
    )
    version = click.version_option(loom.__version__, prog_name="loom", message="%(prog)s %(version)s")
    group = Root(
        "loom",
        callback=click.pass_context(_run),
        params=[*flags(), config],
        invoke_without_command=True,
        no_args_is_help=False,
        epilog=_EPILOG,
        help=_run.__doc__,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )
    return version(group)


def main(arguments: list[str] | None = None) -> None:
    """Entry point: whatever is wrong is one line on stderr and exit code 2, never a traceback."""
    try:
        code = make_command().main(arguments, prog_name="loom", standalone_mode=False)
    except click.exceptions.Exit as done:
        code = done.exit_code
    except click.ClickException as error:
        code = _complain(error.format_message(), error.exit_code)
    except LoomError as error:
        code = _complain(str(error), _EXIT_WRONG)
    except OSError as error:  # a disk that is full under the output, above all
        _forget_output()
        where = f"{error.filename}: " if error.filename else ""
        code = _complain(f"{where}{error.strerror or error}", _EXIT_WRONG)
    except (click.Abort, KeyboardInterrupt):
        code = _EXIT_INTERRUPTED
    sys.exit(code if isinstance(code, int) else 0)


def _complain(text: str, code: int) -> int:
    click.echo(f"loom: {' '.join(text.split())}", err=True)
    return code
