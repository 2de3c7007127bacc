"""The demo: a harbour as a backend, with realistic messages, errors and streams, and traffic for it.

* :mod:`~loom.demo.contract`: message classes and methods, compiled from ``protos/`` at start.
* :mod:`~loom.demo.harbour`: the state that the services share.
* :mod:`~loom.demo.vessels`: the service ``harbour.v1.Vessels``.
* :mod:`~loom.demo.cargo`: the service ``harbour.v1.Cargo``.
* :mod:`~loom.demo.radio`: the service ``harbour.v1.Radio``.
* :mod:`~loom.demo.refusals`: errors with details.
* :mod:`~loom.demo.backend`: the gRPC server, with reflection and health.
* :mod:`~loom.demo.scenes`: sequences of calls, and the status that each ends with.
* :mod:`~loom.demo.traffic`: clients that play the scenes until stopped.
* :mod:`~loom.demo.acting`: a rule and a fault, switched off.

``python -m loom.demo`` runs the backend alone, or with traffic, for a Loom that runs elsewhere.
"""
