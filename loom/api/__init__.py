"""The contract of the inspector's HTTP API, declared once: every answer, request body, query and feed event.

* :mod:`~loom.api.base`: base classes, and what all structures have in common.
* :mod:`~loom.api.calls`: summaries, a call in full, pages of calls.
* :mod:`~loom.api.summary`: builds the summary of a call.
* :mod:`~loom.api.messages`: rows, pages and views of messages.
* :mod:`~loom.api.schema`: sources of descriptors, outlines, uploads.
* :mod:`~loom.api.replay`: replay requests, differences, the grpcurl command.
* :mod:`~loom.api.rules`: rules that act on traffic, and their switches.
* :mod:`~loom.api.breakpoints`: breakpoints, and their switches.
* :mod:`~loom.api.holds`: what breakpoints hold, and decisions on it.
* :mod:`~loom.api.reload`: what loading the settings again has changed.
* :mod:`~loom.api.files`: export and import.
* :mod:`~loom.api.stats`: figures, health and readiness.
* :mod:`~loom.api.feed`: events of the feed and of a search.
* :mod:`~loom.api.errors`: what is wrong with a request.
* :mod:`~loom.api.endpoints`: method, path, parameters, body and answer of every endpoint.
* :mod:`~loom.api.descriptions`: descriptions of structures and fields, read from their source.
* :mod:`~loom.api.openapi`: the OpenAPI document.
* :mod:`~loom.api.typescript`: the page's types.
* :mod:`~loom.api.reference`: the tables of docs/reference/api.md.
* :mod:`~loom.api.generation`: all generated files; ``python -m loom.api`` (``make api``) writes them.
"""
