"""Child processes that do heavy work for Loom.

They are started without running fork handlers, which gRPC's threads make dangerous, and are spoken to in
length-prefixed MessagePack over their standard input and output.

* :mod:`~loom.workers.spawn`: starting a child process of any kind.
* :mod:`~loom.workers.framing`: messages with their length before them.
* :mod:`~loom.workers.process`: a worker process, from its parent's side.
"""

from .framing import encode_frame, read_frame
from .process import WorkerDiedError, WorkerProcess
from .spawn import run, spawn

__all__ = ["WorkerDiedError", "WorkerProcess", "encode_frame", "read_frame", "run", "spawn"]
