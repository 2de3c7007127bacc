"""Send recorded calls again, and compare the answers.

* :mod:`~loom.replay.plan`: what a replay sends: the recorded call, or an edited one.
* :mod:`~loom.replay.runner`: makes a planned call and emits its events.
* :mod:`~loom.replay.batch`: replays a whole recording.
* :mod:`~loom.replay.diff`: what differs between two calls or two messages.
* :mod:`~loom.replay.ignore_paths`: paths that a comparison leaves out.
* :mod:`~loom.replay.report`: results as a table, as lines and as JUnit XML.
* :mod:`~loom.replay.self_dial`: refuses Loom's own addresses as targets.
"""
