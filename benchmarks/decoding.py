"""Decoding messages of one megabyte: the latency when one is opened on the page, compared with json_format.

    python -m benchmarks.decoding [--rounds 9] [--only Dense]… [--write]

A real Loom forwards one call for each shape of :mod:`benchmarks.shapes`; then its API is asked as the page asks it:
the rows of the call, the message. Waited is the whole request over HTTP, from the question to the last byte of the
answer; CPU is what Loom and its decoding process used for it. json_format is protobuf's own: parsed and printed as
JSON, in this process, without a tree, a page or a server.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import grpc.aio
from google.protobuf import json_format

from tests.support.raw_calls import unary_unary

from . import report
from .shapes import NAMES, PROTO, Shapes

PROMISED_MS = 100
VIEW, WHOLE = "view", "whole"
QUESTIONS = {VIEW: "?text=65536", WHOLE: ""}  # what the page asks first, and what it asks for all of the JSON


@dataclass
class Figures:
    """Milliseconds for one shape, one entry per round; ``first`` is the first decoding of its type."""

    size: int
    first: float = 0.0
    waited: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in QUESTIONS})
    cpu: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in QUESTIONS})
    answer: dict[str, int] = field(default_factory=dict)
    json_format: float = 0.0


class Backend(grpc.GenericRpcHandler):
    """Answers each method with the payload of its shape."""

    def __init__(self, payloads: dict[str, bytes]) -> None:
        self._payloads = payloads

    def service(self, handler_call_details: Any) -> Any:
        payload = self._payloads[handler_call_details.method.rpartition("/")[2]]

        async def answer(_: bytes, __: Any) -> bytes:
            return payload

        return grpc.unary_unary_rpc_method_handler(answer)


@contextlib.asynccontextmanager
async def serving(payloads: dict[str, bytes]) -> AsyncIterator[int]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Backend(payloads),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield port
    await server.stop(None)


@contextlib.contextmanager
def loom(target: int) -> Iterator[tuple[str, str, int]]:
    """Start a Loom; yield its address, the inspector's address and the process id."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "loom", "--target", f"127.0.0.1:{target}", "--listen", "127.0.0.1:0"]
        words += ["--ui", "127.0.0.1:0", "--no-session", "--no-reflection", "--proto", str(PROTO)]
        environment = {**os.environ, "LOOM_DATA_DIR": folder, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as started:
            assert started.stdout is not None
            found: dict[str, str] = {}
            for line in started.stdout:
                if match := re.search(r"http://([^/]+)/", line):
                    found["page"] = match[1]
                elif match := re.search(r"(127\.0\.0\.1:\d+)", line):
                    found.setdefault("listen", match[1])
                if len(found) == 2:
                    break
            try:
                yield found["listen"], found["page"], started.pid
            finally:
                started.terminate()


def cpu_ms(pid: int) -> float:
    """Return the CPU time of a process and its children so far, in nanoseconds' resolution."""
    used = 0.0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            used += int((task / "schedstat").read_text().split()[0]) / 1e6
            used += sum(cpu_ms(int(child)) for child in (task / "children").read_text().split())
    return used


async def look(session: aiohttp.ClientSession, address: str) -> tuple[float, bytes]:
    """Send a request and read the whole response; return the milliseconds."""
    start = time.perf_counter()
    async with session.get(address) as answer:
        body = await answer.read()
        assert answer.status == 200, body
    return (time.perf_counter() - start) * 1000, body


async def measured(payloads: dict[str, bytes], rounds: int) -> dict[str, Figures]:
    found = {name: Figures(len(data)) for name, data in payloads.items()}
    async with serving(payloads) as target, contextlib.AsyncExitStack() as stack:
        listen, page, pid = stack.enter_context(loom(target))
        options = [("grpc.max_receive_message_length", -1)]
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(listen, options))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        base = f"http://{page}/api/calls"
        places: dict[str, str] = {}
        for name in payloads:
            await unary_unary(channel, f"/bench.Shapes/{name}")(b"")
            _, body = await look(session, f"{base}?limit=1")
            call = json.loads(body)["calls"][-1]["id"]
            _, body = await look(session, f"{base}/{call}/messages")
            await look(session, f"{base}/{call}")
            places[name] = f"{base}/{call}/messages/1"
        for name, place in places.items():
            found[name].first, _ = await look(session, place + QUESTIONS[VIEW])
        for _ in range(rounds):
            for name, place in places.items():
                for kind, question in QUESTIONS.items():
                    before = cpu_ms(pid)
                    waited, body = await look(session, place + question)
                    found[name].cpu[kind].append(cpu_ms(pid) - before)
                    found[name].waited[kind].append(waited)
                    found[name].answer[kind] = len(body)
    return found


def compared(message: Any, pool: Any) -> float:
    """Return json_format's CPU milliseconds from bytes to text, the best of three."""
    data, kind, took = message.SerializeToString(), type(message), []
    for _ in range(3):
        gc.collect()
        start = time.process_time()
        json_format.MessageToJson(kind.FromString(data), descriptor_pool=pool, ensure_ascii=False)
        took.append((time.process_time() - start) * 1000)
    return min(took)


def table(found: dict[str, Figures]) -> str:
    """Return a Markdown table, one row per shape."""
    lines = [
        "| shape | view ms | worst | first | CPU ms | answer MB | all JSON ms | CPU ms | json_format CPU | of it |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, shape in found.items():
        waited = {kind: statistics.median(rounds) for kind, rounds in shape.waited.items()}
        cpu = {kind: statistics.median(rounds) for kind, rounds in shape.cpu.items()}
        lines.append(
            f"| {NAMES[name][0]} | {waited[VIEW]:.0f} | {max(shape.waited[VIEW]):.0f} | {shape.first:.0f} "
            f"| {cpu[VIEW]:.0f} | {shape.answer[VIEW] / 1e6:.1f} | {waited[WHOLE]:.0f} | {cpu[WHOLE]:.0f} "
            f"| {shape.json_format:.0f} | {cpu[VIEW] / shape.json_format:.2f} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", action="append", choices=list(NAMES), help="measure this shape; repeatable")
    parser.add_argument(
        "--write", action="store_true", help="rewrite its part of docs/explanation/performance.md"
    )
    chosen = parser.parse_args()
    shapes = Shapes()
    messages = {name: shapes.make(name) for name in chosen.only or NAMES}
    payloads = {name: message.SerializeToString() for name, message in messages.items()}
    found = asyncio.run(measured(payloads, chosen.rounds))
    for name, message in messages.items():
        found[name].json_format = compared(message, shapes.descriptor_set.pool)
    text = table(found)
    print(text)
    if chosen.write:
        head = f"Measured on {report.machine()}; medians and worst of {chosen.rounds} rounds."
        report.write("decoding", f"{head}\n\n{text}")
    worst = max(statistics.median(shape.waited[VIEW]) for shape in found.values())
    return 0 if worst < PROMISED_MS else 1


if __name__ == "__main__":
    sys.exit(main())
