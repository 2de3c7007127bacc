"""The wire engine: bytes pass unchanged, and a copy of them is parsed once they are on their way.

* :mod:`~loom.proxy.wire.engine`: listening sockets, TLS on both sides, lifecycle.
* :mod:`~loom.proxy.wire.tunnel`: forwarding of one connection, with back-pressure and half-close.
* :mod:`~loom.proxy.wire.drain`: asks clients to leave, while their calls go on.
* :mod:`~loom.proxy.wire.inspection_queue`: forwarded chunks that wait to be parsed.
* :mod:`~loom.proxy.wire.connection`: turns both directions of a connection into events.
* :mod:`~loom.proxy.wire.limits`: the limits of what connections may make Loom keep and do.
* :mod:`~loom.proxy.wire.sender`: the state of one side: frames, header blocks, windows.
* :mod:`~loom.proxy.wire.stream`: the state of one HTTP/2 stream, which carries one call.
* :mod:`~loom.proxy.wire.deadlines`: whether a call ended at its deadline.
* :mod:`~loom.proxy.wire.preface`: the client's connection preface.
* :mod:`~loom.proxy.wire.frames`: parses HTTP/2 frames.
* :mod:`~loom.proxy.wire.headers`: decodes header blocks (HPACK) and interprets them.
* :mod:`~loom.proxy.wire.envelopes`: parses length-prefixed messages.
* :mod:`~loom.proxy.wire.protocols`: the protocols beside gRPC, by content type.
* :mod:`~loom.proxy.wire.connect`: parses errors, ends of streams and GET requests of the Connect protocol.
* :mod:`~loom.proxy.wire.web_bodies`: parses bodies that are not gRPC's: Connect's unary calls, gRPC-Web in base64.
* :mod:`~loom.proxy.wire.response_checks`: what a client of the call's protocol makes of a response.
* :mod:`~loom.proxy.wire.flow_control`: measures how long flow control stalled a sender.

All but the tunnel, the engine and the drain are free of I/O, and none of these can stop or change the traffic.
"""

from .engine import WireEngine

__all__ = ["WireEngine"]
