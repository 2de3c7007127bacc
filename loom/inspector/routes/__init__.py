"""The endpoints of :mod:`loom.api.endpoints`, a module per resource.

* :mod:`~loom.inspector.routes.calls`: lists of calls, one call, clearing the history.
* :mod:`~loom.inspector.routes.messages`: messages of a call.
* :mod:`~loom.inspector.routes.search`: filters, search with progress.
* :mod:`~loom.inspector.routes.schema`: sources of descriptors, outlines, uploads.
* :mod:`~loom.inspector.routes.replay`: sending a call again.
* :mod:`~loom.inspector.routes.grpcurl`: the grpcurl command of a call, and the schema for it.
* :mod:`~loom.inspector.routes.rules`: rules that act on traffic, and their switches.
* :mod:`~loom.inspector.routes.breakpoints`: breakpoints, and their switches.
* :mod:`~loom.inspector.routes.holds`: what breakpoints hold, and decisions on it.
* :mod:`~loom.inspector.routes.diff`: comparing calls.
* :mod:`~loom.inspector.routes.files`: export and import.
* :mod:`~loom.inspector.routes.feed`: the live feed, figures of this moment.
* :mod:`~loom.inspector.routes.health`: liveness, readiness, health, metrics.
* :mod:`~loom.inspector.routes.reload`: settings that are loaded again.
* :mod:`~loom.inspector.routes.page`: the page's files, and the page at every address of its own.
"""
