"""gRPC's C-core, and what every call over it shares: the layer below the relay and replay.

* :mod:`~loom.grpc_core.facade`: the only module that uses grpcio's private C-core API.
* :mod:`~loom.grpc_core.core_types`: protocols for the objects of that API.
* :mod:`~loom.grpc_core.compatibility`: checks that the installed grpcio has the API that the facade needs.
* :mod:`~loom.grpc_core.client_call`: one call to a target, awaited on the event loop.
* :mod:`~loom.grpc_core.deadlines`: timeouts and deadlines as C-core rounds and limits them.
* :mod:`~loom.grpc_core.custom_metadata`: which metadata is forwarded.
* :mod:`~loom.grpc_core.upstream_status`: the status of a call to the target, and who ended the call.
"""
