"""The relay engine: a gRPC server that forwards each call as a call of its own to the target.

* :mod:`~loom.proxy.relay.engine`: the server, its ports, TLS and lifecycle.
* :mod:`~loom.proxy.relay.call`: forwarding of one call, of any stream type.
* :mod:`~loom.proxy.relay.intercepted_call`: forwarding of one call that something acts on.
* :mod:`~loom.proxy.relay.call_context`: what all calls share.
* :mod:`~loom.proxy.relay.accepted_connections`: connections of which C-core has accepted a request.
* :mod:`~loom.proxy.relay.memory_guard`: refuses calls while the process takes too much memory.
* :mod:`~loom.proxy.relay.serialized_callbacks`: runs the callbacks of a call one at a time.
* :mod:`~loom.proxy.relay.event_buffer`: carries events from gRPC's threads to the event loop.

It stands on :mod:`loom.grpc_core`.
"""

from .engine import RelayEngine

__all__ = ["RelayEngine"]
