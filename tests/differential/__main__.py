"""Random calls through Loom: ``make differential``, or ``python -m tests.differential``.

A client makes random calls (all four kinds; sizes, metadata, compression, statuses, cancellations, deadlines) to a
backend through each engine, and what Loom exports is compared with what the client and the backend saw.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from loom.model import Address
from loom.runtime.loom import Loom
from loom.runtime.settings import Settings

from . import comparison
from .traffic import Backend, run_client, running_backend

_CONCURRENCY = 20


async def run(engine: str, seed: int, count: int, log: Path) -> list[str]:
    """Make the calls through one engine; the differences."""
    backend = Backend(seed)
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
        try:
            client = await run_client(loom.listen_address.port, seed, range(count), _CONCURRENCY)
        finally:
            await loom.stop()
    return list(comparison.differences(seed, comparison.exported_calls(log), client, backend.logs))


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.differential", description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", choices=("relay", "wire"))
    parser.add_argument("--seed", type=int, help="repeat a run; by default a new one")
    parser.add_argument("--calls", type=int, default=5_000, help="for each engine (5000)")
    arguments = parser.parse_args()
    seed = random.randrange(1 << 32) if arguments.seed is None else arguments.seed
    failed = False
    for engine in [arguments.engine] if arguments.engine else ["relay", "wire"]:
        with tempfile.TemporaryDirectory() as directory:
            found = asyncio.run(run(engine, seed, arguments.calls, Path(directory) / "calls.ndjson"))
        for line in found:
            print(line)
        print(f"{engine}: {arguments.calls} calls, {len(found)} differences (seed {seed})")
        failed = failed or bool(found)
    sys.exit(failed)


if __name__ == "__main__":
    main()
