"""Settings, wiring, console, metrics, start and shutdown.

* :mod:`~loom.runtime.settings`: every setting: the source of flags, variables, help and reference.
* :mod:`~loom.runtime.option_spec`: how a setting is described.
* :mod:`~loom.runtime.option_types`: types of option values: parsing and description.
* :mod:`~loom.runtime.config_loading`: flags, variables and loom.toml, and their precedence.
* :mod:`~loom.runtime.config_check`: what a start would complain about, without one.
* :mod:`~loom.runtime.loom`: a running Loom: start, shutdown, signals.
* :mod:`~loom.runtime.reload`: loads the settings of a running Loom again.
* :mod:`~loom.runtime.settings_change`: which settings differ then, and when they take effect.
* :mod:`~loom.runtime.signals`: what stops Loom, and what makes it load its settings again.
* :mod:`~loom.runtime.fanout`: one sink in front of several.
* :mod:`~loom.runtime.wiring`: factories of its parts, from settings.
* :mod:`~loom.runtime.viewer`: ``loom open``: the inspector over a file.
* :mod:`~loom.runtime.newest_calls`: which calls of an opened file are kept.
* :mod:`~loom.runtime.schema_prefetch`: fetches the schema of a method when its first call comes in.
* :mod:`~loom.runtime.stats`: the figures of ``/api/stats``.
* :mod:`~loom.runtime.metrics`: the metrics of ``/metrics``.
* :mod:`~loom.runtime.tasks`: background tasks: owned, and logged when they fail.
* :mod:`~loom.runtime.console`: prints a line per call.
* :mod:`~loom.runtime.call_formatting`: formats that line.
* :mod:`~loom.runtime.terminal`: colours, and escaping for terminals and logs.
"""
