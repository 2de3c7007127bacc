"""Whether a relay can hand its port to another process without a gateway in front, and how many calls that loses.

    python -m benchmarks.handover [--count 20]

C-core opens the relay's listening sockets itself and takes none that is open, so the new process shares the port
(SO_REUSEPORT). What is tried beyond that:

* steered: a socket filter (SO_ATTACH_REUSEPORT_CBPF, Linux) sends every new connection to the new process, so that the
  old one's accept queue is empty when it closes;
* aged: each connection is asked to end (GOAWAY) when it is a second old, by C-core, which serves the calls that cross
  that GOAWAY; the old process closes when it has no connection left.

Six clients call one after another on connections that they keep, three open a connection for each call. A table says
how many of their calls failed, and how long the old process had connections.
"""

import argparse
import asyncio
import contextlib
import ctypes
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc.aio
import uvloop

import loom.proxy.relay.engine as relay_engine
from loom.model import Address, CallIds, Event
from loom.proxy.relay import RelayEngine
from loom.proxy.target import Target
from tests.support.raw_calls import unary_unary

from .processes import free_port
from .suite import backend

_METADATA_LIMIT = 1024 * 1024
_AGE_MS = 1000
_KEPT, _FRESH = 6, 3  # clients that keep their connection, and that open one for each call
_OVERLAP = 0.5  # seconds for which both processes listen
_PATIENCE = 10.0  # seconds to wait for the end of aged connections
_PATH = "/bench.Bench/Echo"
_ATTACH_REUSEPORT_CBPF = 51  # <asm-generic/socket.h>
_RETURN = 0x06  # BPF_RET | BPF_K
METHODS = {"the port is shared": (False, 0), "steered": (True, 0), "steered, aged": (True, _AGE_MS)}


@dataclass
class Tally:
    """What the clients got, and for how many seconds each old process had connections."""

    calls: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)


def main() -> None:
    """Measure and print, or be one of the processes."""
    role, *arguments = sys.argv[1:] or [""]
    if role == "relay":
        uvloop.run(_relay(*map(int, arguments)))
    elif role == "clients":
        uvloop.run(_clients(int(arguments[0])))
    else:
        parser = argparse.ArgumentParser(
            description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        parser.add_argument("--count", type=int, default=20, help="of handovers with each method")
        count = parser.parse_args().count
        print("| handover | times | calls | failed | old process had connections for |")
        print("| --- | ---: | ---: | --- | ---: |")
        for name, (steered, age) in METHODS.items():
            print(_row(name, count, measure(count, age, steered=steered)), flush=True)


def _row(name: str, count: int, tally: Tally) -> str:
    failed = ", ".join(f"{number} {what}" for what, number in tally.failures.most_common())
    seconds = f"{statistics.median(tally.seconds):.1f} s, at most {max(tally.seconds):.1f} s"
    return f"| {name} | {count} | {tally.calls:,} | {failed or 'none'} | {seconds} |"


def measure(count: int, age: int, *, steered: bool) -> Tally:
    """Hand the port on ``count`` times under calls."""
    tally = Tally()
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="loom-bench-")))
        target, port = stack.enter_context(backend(work)), free_port()
        current = stack.enter_context(_process("relay", target, port, age))
        clients = stack.enter_context(_process("clients", port))
        for _ in range(count):
            successor = stack.enter_context(_process("relay", target, port, age))
            if steered:
                _ask(successor, "steer")
            begun = time.monotonic()
            while time.monotonic() - begun < (_PATIENCE if age else _OVERLAP):
                if _ask(current, "count") == "0":
                    break
                time.sleep(0.05)
            tally.seconds.append(time.monotonic() - begun)
            _ask(current, "stop")
            current = successor
        result = json.loads(_ask(clients, "stop"))
        tally.calls, tally.failures = result["calls"], Counter(result["failures"])
    return tally


@contextlib.contextmanager
def _process(*arguments: object) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "benchmarks.handover", *map(str, arguments)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"GRPC_VERBOSITY": "NONE"},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def _ask(process: "subprocess.Popen[str]", command: str) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(command + "\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


async def _command() -> str:
    line: str = await asyncio.to_thread(sys.stdin.readline)
    return line.strip()


class _NoSink:
    """A sink that records nothing."""

    def emit(self, *events: Event) -> None:
        """Ignore events."""

    def emit_all(self, calls: Sequence[Sequence[Event]]) -> None:
        """Ignore events."""


async def _relay(target_port: int, port: int, age: int) -> None:
    """Relay until told to stop."""
    options = relay_engine.server_options

    def shared_options(metadata_limit: int) -> list[tuple[str, int]]:
        kept = [option for option in options(metadata_limit) if option[0] != "grpc.so_reuseport"]
        return [
            *kept,
            ("grpc.so_reuseport", 1),
            *([("grpc.max_connection_age_ms", age)] if age else []),
        ]

    relay_engine.server_options = shared_options
    relay_engine.free_addresses = lambda address: [address]  # type: ignore[attr-defined]
    target = Target(Address("127.0.0.1", target_port), None, None, _METADATA_LIMIT)
    engine = RelayEngine(
        Address("127.0.0.1", port),
        target,
        _NoSink(),
        CallIds(),
        server_tls=None,
        metadata_limit=_METADATA_LIMIT,
    )
    await engine.start()
    print("ready", flush=True)
    while (command := await _command()) not in {"stop", ""}:
        if command == "steer":
            _steer(port)
        print(sum(not listens for _, listens in _sockets(port)), flush=True)
    await engine.stop(5)
    await target.close()
    print("stopped", flush=True)


def _sockets(port: int) -> Iterator[tuple[socket.socket, bool]]:
    """The sockets of this process at a port, open within one step, and whether each listens."""
    for entry in list(Path("/proc/self/fd").iterdir()):
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(entry.name))) as opened:
            if opened.family != socket.AF_UNIX and opened.getsockname()[1] == port:
                yield opened, bool(opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _steer(port: int) -> None:
    """Let new connections come to the second process that listens at the port, which is this one."""
    program = (_Instruction * 1)(_Instruction(_RETURN, 0, 0, 1))
    for opened, listens in _sockets(port):
        if listens:
            opened.setsockopt(socket.SOL_SOCKET, _ATTACH_REUSEPORT_CBPF, bytes(_Program(1, program)))


class _Instruction(ctypes.Structure):
    """``struct sock_filter``."""

    _fields_ = (
        ("code", ctypes.c_ushort),
        ("jt", ctypes.c_ubyte),
        ("jf", ctypes.c_ubyte),
        ("k", ctypes.c_uint),
    )


class _Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction)))


async def _clients(port: int) -> None:
    """Call until told to stop, then print what came of it."""
    stopping, calls, failures = asyncio.Event(), 0, Counter[str]()
    own = [("grpc.use_local_subchannel_pool", 1)]

    async def call(channel: grpc.aio.Channel) -> None:
        nonlocal calls
        calls += 1
        try:
            await unary_unary(channel, _PATH)(b"x" * 100)
        except grpc.aio.AioRpcError as error:
            failures[error.code().name] += 1

    async def keep() -> None:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=own) as channel:
            while not stopping.is_set():
                await call(channel)

    async def reconnect() -> None:
        while not stopping.is_set():
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=own) as channel:
                await call(channel)

    tasks = [asyncio.create_task(keep()) for _ in range(_KEPT)]
    tasks += [asyncio.create_task(reconnect()) for _ in range(_FRESH)]
    print("ready", flush=True)
    await _command()
    stopping.set()
    await asyncio.gather(*tasks)
    print(json.dumps({"calls": calls, "failures": failures}), flush=True)


if __name__ == "__main__":
    main()
