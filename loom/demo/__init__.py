"""A backend worth looking at, and traffic for it: a harbour, its ships, their cargo, their radio.

* ``protos/``: what the harbour's services speak; compiled when the demo starts.
* :mod:`~loom.demo.contract`: the message classes and the methods out of those files.
* :mod:`~loom.demo.harbour`: the ships and containers that there are.
* :mod:`~loom.demo.vessels`, :mod:`~loom.demo.cargo`, :mod:`~loom.demo.radio`: the three services.
* :mod:`~loom.demo.refusals`: failures with their details.
* :mod:`~loom.demo.backend`: the gRPC server, with reflection and health.
* :mod:`~loom.demo.scenes`: what clients do, one small story each.
* :mod:`~loom.demo.traffic`: plays the scenes at a human pace, for as long as it runs.

``python -m loom.demo`` runs the backend alone, or with traffic, for a Loom of its own elsewhere.
"""
