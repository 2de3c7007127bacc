"""The wire engine: bytes pass untouched; a copy of them is looked at, after they are on their way.

* :mod:`~loom.proxy.wire.engine`: the addresses it listens on, TLS, its life.
* :mod:`~loom.proxy.wire.tunnel`: forwarding one connection, with back-pressure and half-close.
* :mod:`~loom.proxy.wire.inspection_queue`: what has passed and is still to be looked at.
* :mod:`~loom.proxy.wire.event_buffer`: what several connections emit, handed on at once.
* :mod:`~loom.proxy.wire.connection`: both directions of a connection become events.
* :mod:`~loom.proxy.wire.stream`: what is known of one stream.
* :mod:`~loom.proxy.wire.preface`: what a client begins with.
* :mod:`~loom.proxy.wire.frames`: bytes become HTTP/2 frames.
* :mod:`~loom.proxy.wire.headers`: header blocks become what a call starts, answers and ends with.
* :mod:`~loom.proxy.wire.envelopes`: DATA becomes length-prefixed messages.
* :mod:`~loom.proxy.wire.web_bodies`: the same for Connect's unary calls and for gRPC-Web in base64.
* :mod:`~loom.proxy.wire.windows`: how long flow control held a sender.
* :mod:`~loom.proxy.wire.status_mapping`: HTTP/2 and HTTP codes as gRPC statuses.

Everything but the tunnel and the engine is free of I/O, and none of it can stop or change what passes.
"""

from .engine import WireEngine

__all__ = ["WireEngine"]
