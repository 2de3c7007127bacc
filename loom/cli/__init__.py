"""The command line: ``loom`` runs the proxy, ``loom COMMAND`` does something else with calls.

* :mod:`~loom.cli.root`: the ``loom`` command itself.
* :mod:`~loom.cli.flags`: its flags, made from :mod:`loom.runtime.settings`.
* :mod:`~loom.cli.commands`: the table of subcommands; each is a module of its own, imported when used.
* :mod:`~loom.cli.run`: a Loom from start to end.
* :mod:`~loom.cli.reference`: docs/configuration.md.

Imports are late on purpose: ``loom --help`` and shell completion answer at once.
"""

from .root import main

__all__ = ["main"]
