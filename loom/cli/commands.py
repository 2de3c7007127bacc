"""The table of subcommands: name, module, what it does. Modules are imported when used.

Each module has a click command named ``command``.
"""

import importlib
from dataclasses import dataclass

import click


@dataclass(frozen=True, slots=True)
class Entry:
    """``module`` below :mod:`loom.cli`; ``summary`` is the line in ``loom --help``."""

    module: str
    summary: str

    def load(self) -> click.Command:
        command: click.Command = importlib.import_module(f"loom.cli.{self.module}").command
        return command


COMMANDS: dict[str, Entry] = {
    "open": Entry("open", "Show a bundle, or another file of calls, in the page: offline, read-only."),
    "tail": Entry("tail", "Follow the calls of a running Loom."),
    "calls": Entry("calls", "List the calls that a running Loom holds."),
    "show": Entry("show", "Show one call: status, metadata, timing, decoded messages."),
    "grpcurl": Entry("grpcurl", "Print the grpcurl command that sends a call again."),
    "replay": Entry("replay", "Send a session or a file of calls again, and compare what comes back."),
    "sessions": Entry("sessions", "What is kept on disk: list, show, delete, export, import."),
    "completion": Entry("completion", "Print what bash, zsh or fish need to complete loom's commands."),
}
