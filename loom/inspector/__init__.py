"""The HTTP API (:mod:`loom.api` is its contract) and the page.

* :mod:`~loom.inspector.app`: assembles routes and middleware.
* :mod:`~loom.inspector.routes`: the endpoints, a module per resource.
* :mod:`~loom.inspector.routing`: routes of the declared endpoints.
* :mod:`~loom.inspector.context`: what the handlers work on.
* :mod:`~loom.inspector.requests`: parameters, bodies and paths as structures.
* :mod:`~loom.inspector.responses`: JSON, and errors in one shape.
* :mod:`~loom.inspector.call_detail`: metadata and timing of one call.
* :mod:`~loom.inspector.rule_trial`: tries a rule on the calls in memory.
* :mod:`~loom.inspector.hold_views`: breakpoints and held items.
* :mod:`~loom.inspector.hold_edits`: decisions on held items, with the schema.
* :mod:`~loom.inspector.security`: Host, Origin and token checks (docs/explanation/security.md).
* :mod:`~loom.inspector.read_only`: refuses changes where a file is shown.
* :mod:`~loom.inspector.server`: uvicorn on the running loop.
"""

from .app import create_app
from .context import Inspector
from .security import Access
from .server import InspectorServer

__all__ = ["Access", "Inspector", "InspectorServer", "create_app"]
