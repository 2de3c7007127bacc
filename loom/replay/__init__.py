"""Send recorded calls again, and compare the answers.

* :mod:`~loom.replay.plan`: plans what a replay sends: the recorded call, or an edited one.
* :mod:`~loom.replay.runner`: starts planned calls.
* :mod:`~loom.replay.call`: one planned call, which emits its events.
* :mod:`~loom.replay.intercepted_call`: one that is sent through the rules.
* :mod:`~loom.replay.rule_gate`: what rules decide on its items.
* :mod:`~loom.replay.batch`: replays a whole recording.
* :mod:`~loom.replay.diff`: differences between two calls or two messages.
* :mod:`~loom.replay.item_diff`: differences between an item and what rules make of it.
* :mod:`~loom.replay.ignore_paths`: field paths that a comparison ignores.
* :mod:`~loom.replay.report`: results as a table, lines, JSON and JUnit XML.
"""
