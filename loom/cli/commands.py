"""The table of subcommands: name, module, summary. A module is imported when its command is used."""

import importlib
from dataclasses import dataclass

import click


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """``module`` is below :mod:`loom.cli` and has a click command named ``command``; ``summary`` is for ``--help``."""

    module: str
    summary: str

    def load(self) -> click.Command:
        command: click.Command = importlib.import_module(f"loom.cli.{self.module}").command
        return command


COMMANDS: dict[str, CommandEntry] = {
    "check": CommandEntry("check", "Check a configuration without starting Loom."),
    "reload": CommandEntry("reload", "Let a running Loom load its settings again."),
    "open": CommandEntry("open", "Show a file of calls (a bundle, NDJSON, …) in the inspector, offline."),
    "tail": CommandEntry("tail", "Follow the calls of a running Loom."),
    "calls": CommandEntry("calls", "List the calls of a running Loom."),
    "show": CommandEntry("show", "Show one call: status, metadata, timing, decoded messages."),
    "grpcurl": CommandEntry("grpcurl", "Print the grpcurl command that sends a call again."),
    "replay": CommandEntry("replay", "Send recorded calls again, and compare the responses."),
    "rules": CommandEntry("rules", "Check files of rules, or try them on recorded calls."),
    "faults": CommandEntry("faults", "Inject faults into a running Loom; report how clients react."),
    "break": CommandEntry("breakpoint", "Hold messages of a running Loom's calls, and decide on each."),
    "sessions": CommandEntry("sessions", "Manage sessions on disk: list, show, delete, export, import."),
    "completion": CommandEntry("completion", "Print the completion script for bash, zsh or fish."),
}
