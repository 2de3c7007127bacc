"""Configuration, wiring, metrics, logging, start and shutdown.

* :mod:`~loom.runtime.settings`: every setting, once.
* :mod:`~loom.runtime.option_types`: how values of settings are written.
* :mod:`~loom.runtime.config_loading`: flags, variables and loom.toml, and which wins.
* :mod:`~loom.runtime.console`, :mod:`~loom.runtime.call_formatting`, :mod:`~loom.runtime.palette`: a line per call.
* :mod:`~loom.runtime.metrics`, :mod:`~loom.runtime.stats`: the numbers of ``/metrics`` and of the page.
* :mod:`~loom.runtime.tasks`: background tasks, owned and never silent.
"""
