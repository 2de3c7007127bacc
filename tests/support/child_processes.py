"""The child processes of the process that runs the tests, as Linux lists them."""

import os
import signal
from pathlib import Path


def children() -> set[int]:
    """Their ids."""
    tasks = Path("/proc/self/task")
    return {int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()}


def kill_children() -> None:
    """Kill all of them."""
    for pid in children():
        os.kill(pid, signal.SIGKILL)
