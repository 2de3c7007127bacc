"""The HTTP API and the page (docs/api.md is its contract).

* :mod:`~loom.inspector.app`: puts the parts together.
* :mod:`~loom.inspector.context`: what the handlers work on, handed in by the runtime.
* :mod:`~loom.inspector.security`: who may ask (docs/security.md).
* :mod:`~loom.inspector.calls`: the list, one call, its messages.
* :mod:`~loom.inspector.feed`: the live feed as server-sent events.
* :mod:`~loom.inspector.health`: ``/live``, ``/ready``, ``/health``, ``/metrics``.
* :mod:`~loom.inspector.page`: the built page.
* :mod:`~loom.inspector.responses`: JSON and errors in one shape.
* :mod:`~loom.inspector.server`: uvicorn on the running loop.
"""

from .app import create_app
from .context import Inspector
from .security import Access
from .server import InspectorServer

__all__ = ["Access", "Inspector", "InspectorServer", "create_app"]
