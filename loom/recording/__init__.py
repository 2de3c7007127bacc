"""Records calls: events become calls in memory, in a log and, as :mod:`loom.sessions`, on disk.

* :mod:`~loom.recording.recorder`: the sink that applies events to calls and notifies observers.
* :mod:`~loom.recording.history`: the calls in memory, within a budget of bytes.
* :mod:`~loom.recording.trim_queue`: the order in which live calls give up messages.
* :mod:`~loom.recording.call_log`: logs ended calls as NDJSON.
* :mod:`~loom.recording.ndjson`: Loom's own format of calls, one JSON object per line.
* :mod:`~loom.recording.query`: the filter language.
"""
