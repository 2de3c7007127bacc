"""The command line: ``loom`` runs the proxy, ``loom COMMAND`` works with calls.

* :mod:`~loom.cli.root`: the ``loom`` command, and errors as one line.
* :mod:`~loom.cli.flags`: its flags, from :mod:`loom.runtime.settings`.
* :mod:`~loom.cli.run`: runs the proxy.
* :mod:`~loom.cli.commands`: the table of subcommands, each imported when used.
* :mod:`~loom.cli.check`: ``loom check``.
* :mod:`~loom.cli.reload`: ``loom reload``.
* :mod:`~loom.cli.open`: ``loom open``.
* :mod:`~loom.cli.tail`: ``loom tail``.
* :mod:`~loom.cli.calls`: ``loom calls``.
* :mod:`~loom.cli.show`: ``loom show``.
* :mod:`~loom.cli.grpcurl`: ``loom grpcurl``.
* :mod:`~loom.cli.replay`: ``loom replay``.
* :mod:`~loom.cli.replay_options`: its options.
* :mod:`~loom.cli.rules`: ``loom rules``.
* :mod:`~loom.cli.faults`: ``loom faults``, and its report.
* :mod:`~loom.cli.interceptions`: formats what acted on a call.
* :mod:`~loom.cli.running_faults`: its commands for a running Loom.
* :mod:`~loom.cli.breakpoint`: ``loom break``.
* :mod:`~loom.cli.holds`: held items as text, and what a key makes of one.
* :mod:`~loom.cli.keyboard`: keys, lines and an editor on an event loop.
* :mod:`~loom.cli.sessions`: ``loom sessions``.
* :mod:`~loom.cli.completion`: ``loom completion``, and completion of ids and session names.
* :mod:`~loom.cli.options`: parameter types and options that commands share.
* :mod:`~loom.cli.api_client`: the client of a running Loom's HTTP API.
* :mod:`~loom.cli.feed`: its live feed, followed across reconnects.
* :mod:`~loom.cli.formatting`: calls of the API as lines.
* :mod:`~loom.cli.output`: writes text: escaped, coloured, cut to the terminal.
* :mod:`~loom.cli.reference`: generates the reference of settings and commands in docs/reference.

Imports are late on purpose: ``loom --help`` and shell completion answer at once.
"""

from .root import main

__all__ = ["main"]
