"""The relay: a gRPC server that forwards each call as a call of its own.

* :mod:`~loom.proxy.relay.engine`: the server, its port and its life.
* :mod:`~loom.proxy.relay.call`: forwarding one call, whatever its stream type.
* :mod:`~loom.proxy.relay.steps`: runs the steps of a call one at a time.
* :mod:`~loom.proxy.relay.courier`: takes what happened from the threads that forward to the loop that records.
* :mod:`~loom.proxy.relay.metadata`: which metadata passes.
* :mod:`~loom.proxy.relay.outcome`: who ended a call, and what its client is told.
"""

from .engine import RelayEngine

__all__ = ["RelayEngine"]
