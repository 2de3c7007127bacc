"""Random calls through Loom: ``make differential``, or ``python -m tests.differential``.

A client makes random calls (all four kinds; sizes, metadata, compression, statuses, cancellations, deadlines) to a
backend through each engine, and what Loom exports is compared with what the client and the backend saw, and tshark
between them where it can capture.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from loom.model import Address, EndedBy
from loom.runtime.loom import Loom
from loom.runtime.settings import Settings
from tests.interop.foreign import build_go_program
from tests.support.engines import running_engine
from tests.support.sinks import ListSink

from . import capture, capture_comparison, comparison
from .call_ends import Backend, end_each_way, go_backend, python_backend
from .traffic import RandomBackend, run_client, running_backend

_CONCURRENCY = 20


async def run(engine: str, seed: int, numbers: range, log: Path, *, capturing: bool = False) -> list[str]:
    """Make the calls through one engine, and capture them if asked to; the differences."""
    backend = RandomBackend(seed)
    frames: list[capture.Frame] = []
    async with running_backend(backend) as port:
        settings = Settings(
            target=Address("127.0.0.1", port),
            listen=Address("127.0.0.1", 0),
            engine=engine,
            ui=None,
            session=None,
            reflection=False,
            log=log,
            drain=5.0,
        )
        loom = Loom(settings, tune=False)
        await loom.start()
        ports = loom.listen_address.port, port
        try:
            if capturing:
                async with capture.running_capture(ports) as running:
                    client = await run_client(ports[0], seed, numbers, _CONCURRENCY)
                    frames = await running.frames()
            else:
                client = await run_client(ports[0], seed, numbers, _CONCURRENCY)
        finally:
            await loom.stop()
    calls = comparison.exported_calls(log)
    lines = list(comparison.differences(seed, calls, client, backend.logs))
    if capturing:
        traces = capture_comparison.calls_of(frames, *ports)
        lines += capture_comparison.differences(seed, comparison.exported_calls(log), traces)
    return lines


async def run_ends(engine: str, running: AbstractAsyncContextManager[Backend]) -> list[str]:
    """A captured call for each way in which one can end; those whose end is not whose was captured first."""
    sink = ListSink()
    async with (
        running as backend,
        running_engine(engine, Address("127.0.0.1", backend.port), sink) as between,
        capture.running_capture((between.port, backend.port)) as capturing,
    ):
        ends = await end_each_way(between, sink, backend)
        calls = capture_comparison.calls_of(await capturing.frames(), between.port, backend.port)
    lines = []
    for number, (name, end) in enumerate(ends.items()):
        first = [call.ended_by for call in calls.get(number, [])]
        if end.ended_by is not EndedBy.DEADLINE and first != [end.ended_by]:
            lines.append(f"{name}: ended by {end.ended_by}, captured {first}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.differential", description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", choices=("relay", "wire"))
    parser.add_argument("--seed", type=int, help="repeat a run; by default a new one")
    parser.add_argument("--calls", type=int, default=5_000, help="for each engine (5000)")
    parser.add_argument(
        "--captured-calls", type=int, default=500, help="of these, captured with tshark (500)"
    )
    arguments = parser.parse_args()
    seed = random.randrange(1 << 32) if arguments.seed is None else arguments.seed
    captured = min(arguments.captured_calls, arguments.calls)
    if captured and (reason := capture.missing_reason()):
        print(f"no calls are captured: {reason}")
        captured = 0
    failed = False
    for engine in [arguments.engine] if arguments.engine else ["relay", "wire"]:
        found = []
        with tempfile.TemporaryDirectory() as directory:
            folder = Path(directory)
            if captured:
                log = folder / "captured.ndjson"
                found += asyncio.run(run(engine, seed, range(captured), log, capturing=True))
                found += asyncio.run(run_ends(engine, python_backend()))
                found += asyncio.run(run_ends(engine, go_backend(build_go_program(folder))))
            numbers = range(captured, arguments.calls)
            found += asyncio.run(run(engine, seed, numbers, folder / "calls.ndjson"))
        for line in found:
            print(line)
        print(
            f"{engine}: {arguments.calls} calls, {captured} of them captured, {len(found)} differences (seed {seed})"
        )
        failed = failed or bool(found)
    sys.exit(failed)


if __name__ == "__main__":
    main()
