"""The engines that forward traffic and emit it as events.

* :mod:`~loom.proxy.engine`: the interface of an engine.
* :mod:`~loom.proxy.relay`: the engine that makes a call of its own for each call (default).
* :mod:`~loom.proxy.wire`: the engine that passes bytes through and parses a copy.
* :mod:`~loom.proxy.event_buffer`: the buffer between forwarding and recording, in both engines.
* :mod:`~loom.proxy.loop_lag`: how late the event loop's timers are.
* :mod:`~loom.proxy.target`: the channels to the target, TLS and connection state.
* :mod:`~loom.proxy.dialer`: the connections that Loom opens itself, without C-core.
* :mod:`~loom.proxy.tls_hop`: TLS without verification for C-core.
* :mod:`~loom.proxy.trust`: the certificates that a target is verified with.
* :mod:`~loom.proxy.certificate_dates`: when certificates are valid.
* :mod:`~loom.proxy.self_dial`: recognises Loom's own addresses as targets.
* :mod:`~loom.proxy.breaker`: the circuit breaker.
* :mod:`~loom.proxy.local_status`: the statuses of calls that Loom ends.
* :mod:`~loom.proxy.binding`: listening sockets, of the engines and of the inspector.
* :mod:`~loom.proxy.connection_limit`: how many connections clients may open.
* :mod:`~loom.proxy.startup_checks`: checks of host names and certificates before an engine starts.
"""
