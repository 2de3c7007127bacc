"""The relay: a gRPC server that forwards each call as a call of its own.

* :mod:`~loom.proxy.relay.engine`: the server, its port and its life.
* :mod:`~loom.proxy.relay.call`: forwarding one call, whatever its stream type.
* :mod:`~loom.proxy.relay.serialized`: runs the steps of a call one at a time.
* :mod:`~loom.proxy.relay.event_buffer`: takes what happened from the threads that forward to the loop that records.
* :mod:`~loom.grpc_core.metadata`: which metadata passes.
* :mod:`~loom.grpc_core.status_mapping`: who ended a call, and what its client is told.
"""

from .engine import RelayEngine

__all__ = ["RelayEngine"]
