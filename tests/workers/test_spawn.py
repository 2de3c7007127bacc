"""Child processes are made without running fork handlers, whatever the event loop."""

import os
import subprocess
import sys

import pytest

# Fork handlers cannot be taken away again: they are registered in a process that ends.
SCRIPT = """
import asyncio, ctypes, os, sys
from loom.workers import WorkerProcess, run, spawn
import uvloop

ran = []
callback = ctypes.CFUNCTYPE(None)(lambda: ran.append(1))
assert ctypes.CDLL(None).__register_atfork(callback, None, None, None) == 0

def handlers(start):
    ran.clear()
    start()
    return len(ran)

def fork():
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)

async def worker():
    process = await WorkerProcess.start("loom.decoding.worker")
    await process.end()

async def unsafe():
    await (await asyncio.create_subprocess_exec(sys.executable, "-c", "")).wait()

print("fork", handlers(fork))
print("uvloop", handlers(lambda: uvloop.run(unsafe())))
print("spawn", handlers(lambda: spawn([sys.executable, "-c", ""]).communicate()))
print("run", handlers(lambda: run([sys.executable, "-c", ""], timeout=60)))
print("asyncio worker", handlers(lambda: asyncio.run(worker())))
print("uvloop worker", handlers(lambda: uvloop.run(worker())))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="registers a handler with glibc")
def test_no_fork_handler_runs() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", SCRIPT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert dict(line.rsplit(" ", 1) for line in done.stdout.splitlines()) == {
        "fork": "1",  # so the handler is there,
        "uvloop": "1",  # and this is why uvloop's own way is not used
        "spawn": "0",
        "run": "0",
        "asyncio worker": "0",
        "uvloop worker": "0",
    }
