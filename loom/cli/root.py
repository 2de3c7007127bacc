"""The ``loom`` command: flags, help by section, subcommands, one-line errors."""

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
from .flags import SECTIONS, Flag, flag_values, flags

_EPILOG = """\b
Each setting is also an environment variable (--history-bytes is LOOM_HISTORY_BYTES) and a
key of loom.toml (history-bytes), which is read from the working directory or else from the
user's configuration directory. Flags override variables, variables override the file."""
_EXIT_USAGE = 2
_EXIT_INTERRUPTED = 130


class Root(click.Group):
    """A group that runs the proxy without a subcommand."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the flags, which may print already: ``--help | head``."""
        with _broken_pipe_is_success():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with _broken_pipe_is_success():
            return super().invoke(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        entry = COMMANDS.get(cmd_name)
        return None if entry is None else entry.load()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the flags by section, then the subcommands."""
        headings: dict[str, list[tuple[str, str]]] = {heading: [] for heading in SECTIONS}
        other: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                section = headings[parameter.section] if isinstance(parameter, Flag) else other
                section.append(record)
        for heading, records in [*headings.items(), ("Other", other)]:
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records, col_max=32)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the table of subcommands, without importing their modules."""
        if COMMANDS:
            with formatter.section("Commands"):
                formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


@contextlib.contextmanager
def _broken_pipe_is_success() -> Iterator[None]:
    """Exit with 0 when the reader of the output closes it, for every command."""
    try:
        yield
    except BrokenPipeError:
        _discard_output()
        raise click.exceptions.Exit(0) from None


def _discard_output() -> None:
    from loom.runtime.terminal import discard_output  # noqa: PLC0415 (rarely needed)

    discard_output(sys.stdout)


def _run(ctx: click.Context, /, config: Path | None, **parameters: Any) -> None:
    """Run a gRPC debugging proxy: it forwards calls from clients to the target and shows them live in the inspector.

    \b
        loom --demo                      try it with a demo backend and demo traffic
        loom --target localhost:50051    then point the client at localhost:9999
    """
    values = flag_values(parameters)
    if ctx.invoked_subcommand is not None:
        if values:
            flag = "--" + next(iter(values)).replace("_", "-")
            raise click.UsageError(
                f"{flag} configures the proxy; put flags of '{ctx.invoked_subcommand}' after its name"
            )
        return
    configuration = load(values, os.environ, config=config)
    # C-core would log a line per closed connection; it reads this once, at import.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from .run import run  # noqa: PLC0415 (it imports gRPC, which help and completion do not need)

    ctx.exit(run(configuration, lambda: load(values, os.environ, config=config)))


def make_command() -> click.Group:
    """The ``loom`` command."""
    config = click.Option(
        ["--config"],
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Read this file instead of a loom.toml that is found.",
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
    """Entry point. An error is one line on stderr and exit code 2, never a traceback."""
    try:
        code = make_command().main(arguments, prog_name="loom", standalone_mode=False)
    except click.exceptions.Exit as exit_:
        code = exit_.exit_code
    except click.ClickException as error:
        code = _fail(error.format_message(), error.exit_code)
    except LoomError as error:
        code = _fail(str(error), _EXIT_USAGE)
    except OSError as error:  # such as a full disk under the output
        _discard_output()
        prefix = f"{error.filename}: " if error.filename else ""
        code = _fail(f"{prefix}{error.strerror or error}", _EXIT_USAGE)
    except (click.Abort, KeyboardInterrupt):
        code = _EXIT_INTERRUPTED
    sys.exit(code if isinstance(code, int) else 0)


def _fail(text: str, code: int) -> int:
    from .output import print_error  # noqa: PLC0415 (completion does not need it)

    print_error(text)
    return code
