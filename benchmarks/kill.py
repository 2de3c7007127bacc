"""kill -9 of Loom, its worker processes, the target and the clients, in turn at random: what the session lost.

python -m benchmarks.kill [--times 100] [--engine wire|relay] [--seed 1]

Clients note each call that they have seen end, with the time. After each kill of Loom its session is read: it must open
without damage, and have every call that ended more than a quarter of a second before. The session is used on by the
next Loom.
"""

import argparse
import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import grpc
import grpc.aio

from loom.sessions import SessionReader, session_path
from tests.support.raw_calls import unary_unary

from .processes import LOAD_CORE, PROXY_CORE, free_port, tree
from .suite import compile_backend

_PROMISED = 0.25  # seconds; docs/how-to/sessions.md
_NEWEST = 20_000  # calls that are read after a kill
_PAUSE = 0.005  # between two calls of a client
_CLIENTS = 2


async def _client(port: int, log: Path, name: str) -> None:
    """Call until killed, and note each call that has ended."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    number = 0
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        while True:
            number += 1
            text = f"{name}.{number}"
            with contextlib.suppress(grpc.RpcError):
                await unary_unary(channel, "/bench.Bench/Echo")(text.encode(), timeout=2)
                os.write(file, f"{text} {time.time()}\n".encode())
            await asyncio.sleep(_PAUSE)


class _Processes:
    """The processes of a run: each can be killed and is started again."""

    def __init__(self, work: Path, engine: str) -> None:
        self.log = work / "ended"
        self.log.touch()
        self.session = session_path("kill", work / "sessions")
        self.port, self.page = free_port(), free_port()
        self._target_port = free_port()
        self._work = work
        self._engine = engine
        self._binary = compile_backend(work)
        self._names = 0
        self.target = self._start_target()
        self.loom = self.start_loom()
        self.clients = [self._start_client() for _ in range(_CLIENTS)]

    def _run(self, core: str, *command: str) -> subprocess.Popen[bytes]:
        pinned = ["taskset", "-c", core, *command] if shutil.which("taskset") else list(command)
        with (self._work / "log").open("ab") as output:
            return subprocess.Popen(
                pinned, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env=os.environ | {"LOOM_DATA_DIR": str(self._work)},
            )  # fmt: skip

    def _start_target(self) -> subprocess.Popen[bytes]:
        return self._run(LOAD_CORE, str(self._binary), str(self._target_port))

    def start_loom(self) -> subprocess.Popen[bytes]:
        """Start Loom, and wait until its inspector answers."""
        loom = self._run(
            PROXY_CORE, sys.executable, "-m", "loom", "--target", f"127.0.0.1:{self._target_port}",
            "--listen", f"127.0.0.1:{self.port}", "--ui", f"127.0.0.1:{self.page}", "--quiet",
            "--engine", self._engine, "--session", "kill", "--session-bytes", "64MiB",
        )  # fmt: skip
        while self.get("/ready") is None:
            if loom.poll() is not None:
                sys.exit(f"Loom did not start: {(self._work / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        return loom

    def _start_client(self) -> subprocess.Popen[bytes]:
        self._names += 1
        words = ["--client", str(self.port), str(self.log), f"client{self._names}"]
        return self._run(LOAD_CORE, sys.executable, "-m", "benchmarks.kill", *words)

    def get(self, path: str) -> bytes | None:
        """Ask Loom's inspector; None if it does not answer with 200."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.page}{path}", timeout=30) as answer:
                body: bytes = answer.read()
                return body
        except OSError:  # urllib's errors are among them
            return None

    def workers(self) -> list[int]:
        return tree(self.loom.pid)[1:]

    def kill_target(self) -> None:
        _kill(self.target)
        self.target = self._start_target()

    def kill_client(self) -> None:
        _kill(self.clients.pop(0))
        self.clients.append(self._start_client())

    def stop(self) -> None:
        for process in (self.loom, self.target, *self.clients):
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


class _Run:
    def __init__(self, processes: _Processes, chance: random.Random) -> None:
        self.processes = processes
        self.chance = chance
        self.kills: Counter[str] = Counter()
        self.problems: list[str] = []
        self.oldest_missing = 0.0  # seconds before the kill
        self.missing = 0
        self.checked = 0
        self._offset = 0

    def step(self) -> None:
        """Let the traffic run, with a search and a decoded call, and kill something."""
        processes = self.processes
        search = threading.Thread(target=processes.get, args=("/api/calls?q=body:nothing-like-it",))
        view = threading.Thread(target=processes.get, args=("/api/calls/1",))
        time.sleep(self.chance.uniform(0.3, 1.5))
        search.start()
        view.start()
        time.sleep(self.chance.uniform(0.0, 0.4))
        kinds: dict[str, Callable[[], None]] = {
            "loom": self._kill_loom, "worker": self._kill_worker,
            "target": processes.kill_target, "client": processes.kill_client,
        }  # fmt: skip
        kind = self.chance.choice(["loom", "loom", "worker", "worker", "target", "client"])
        kinds[kind]()
        self.kills[kind] += 1
        search.join()
        view.join()
        if processes.loom.poll() is not None:
            self.problems.append(f"Loom died when {kind} was killed")
            processes.loom = processes.start_loom()

    def _kill_worker(self) -> None:
        for pid in self.chance.sample(workers := self.processes.workers(), min(len(workers), 1)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.processes.get("/api/calls?q=body:nothing-like-it") is None:
            self.problems.append("a search after the death of a worker failed")

    def _kill_loom(self) -> None:
        at = time.time()
        _kill(self.processes.loom)
        self._check_session(at)
        self.processes.loom = self.processes.start_loom()

    def _check_session(self, at: float) -> None:
        with self.processes.log.open("rb") as file:
            file.seek(self._offset)
            lines = file.read()
        lines = lines[: lines.rfind(b"\n") + 1]
        self._offset += len(lines)
        ended: dict[bytes, float] = {}
        for line in lines.splitlines():
            text, _, when = line.partition(b" ")
            ended[text] = float(when)
        with SessionReader(self.processes.session) as reader:
            calls = reader.newest(_NEWEST, 1 << 30)
            self.problems += reader.damaged
        stored = {next(iter(call.messages)).data for call in calls if call.request_messages and call.ended_ns}
        self.checked += len(ended)
        for text, seen in ended.items():
            if text not in stored:
                self.missing += 1
                self.oldest_missing = max(self.oldest_missing, at - seen)

    def report(self) -> bool:
        print(f"killed: {dict(self.kills)}; calls checked: {self.checked:,}")
        print(f"missing: {self.missing}, the oldest {self.oldest_missing * 1000:.0f} ms before the kill")
        print(f"problems: {self.problems or 'none'}")
        return not self.problems and self.oldest_missing <= _PROMISED and self.checked > 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--engine", choices=["wire", "relay"], default="relay")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--client", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        port, log, name = options.client
        asyncio.run(_client(int(port), Path(log), name))
    with tempfile.TemporaryDirectory(prefix="loom-kill-") as folder:
        processes = _Processes(Path(folder), options.engine)
        try:
            run = _Run(processes, random.Random(options.seed))
            for number in range(1, options.times + 1):
                run.step()
                if number % 10 == 0:
                    print(f"{number}: {dict(run.kills)}, missing {run.missing}", flush=True)
            return 0 if run.report() else 1
        finally:
            processes.stop()


if __name__ == "__main__":
    sys.exit(main())
