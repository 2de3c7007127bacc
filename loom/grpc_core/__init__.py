"""gRPC's C-core, and what every call over it shares: the layer under the relay and under replay.

* :mod:`~loom.grpc_core.facade`: the only module that uses grpcio's private C-core API.
* :mod:`~loom.grpc_core.client_call`: one call to a target, awaited on the event loop.
* :mod:`~loom.grpc_core.metadata`: which metadata is forwarded.
* :mod:`~loom.grpc_core.status_mapping`: what a status of C-core means, and who ended the call.
"""
