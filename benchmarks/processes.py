"""Measured processes: pinning to a core, CPU and memory, termination."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PROXY_CORE, LOAD_CORE = "0", "1"
_TICKS = os.sysconf("SC_CLK_TCK")
_START_SECONDS = 60.0


class MissingError(Exception):
    """A program to compare with is not installed; the text says how to install it."""


def program(name: str, how: str) -> str:
    """Return the path of a program; raise :class:`MissingError` with ``how`` to install it."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise MissingError(f"{name} is not installed: {how}")
    return found


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@dataclass(frozen=True)
class Cost:
    """CPU seconds and resident bytes of a process tree so far."""

    cpu: float
    resident: int


class Running:
    """A process pinned to one core, with its children."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process

    def cost(self) -> Cost:
        cpu, resident = 0.0, 0
        for pid in tree(self.process.pid):
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                cpu += (int(fields[11]) + int(fields[12])) / _TICKS
                status = Path(f"/proc/{pid}/status").read_text()
                match = re.search(r"VmRSS:\s+(\d+) kB", status)
                resident += int(match[1]) * 1024 if match else 0
        return Cost(cpu, resident)

    def resident(self) -> int:
        """Resident bytes of the process alone."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        match = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(match[1]) * 1024 if match else 0

    def descriptors(self) -> int:
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/fd").iterdir())


def tree(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            children = (task / "children").read_text().split()
            for child in children:
                found += tree(int(child))
    return found


@contextlib.contextmanager
def running(command: Sequence[str], port: int, core: str, log: Path, **environment: str) -> Iterator[Running]:
    """Run a server within the block; its port must accept connections within a minute."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["taskset", "-c", core, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=os.environ | environment,
        )
    try:
        _await_port(process, port, log)
        yield Running(process)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_port(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise MissingError(f"{process.args!r} did not start: {log.read_text()[-800:]}")
