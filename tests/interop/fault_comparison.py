"""What a client reports of faults that Loom injects, beside what it reports of a backend that has them."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from loom.model import Address, Call, StatusCode
from loom.runtime.loom import Loom
from loom.runtime.settings import Settings

from .fault_scenarios import SERVICE_CONFIG, FaultyBackend, Scenario, running_backend

Outcome = dict[str, Any]
ATTEMPTS = "grpc-previous-rpc-attempts"
_ANY_PORT = Address("127.0.0.1", 0)
_TIMEOUT = 120.0  # seconds for all calls of one client


async def run_client(command: Sequence[str], port: int, scenarios: Sequence[Scenario]) -> dict[str, Outcome]:
    """Make the calls of the scenarios with a client program; what it reports of each."""
    process = await asyncio.create_subprocess_exec(
        *command,
        f"127.0.0.1:{port}",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )
    calls = {"service_config": SERVICE_CONFIG, "calls": [scenario.request for scenario in scenarios]}
    try:
        async with asyncio.timeout(_TIMEOUT):
            out, err = await process.communicate(json.dumps(calls).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    outcomes = [json.loads(line) for line in out.splitlines()]
    return {outcome["scenario"]: _comparable(outcome, port) for outcome in outcomes}


def _comparable(outcome: Outcome, port: int) -> Outcome:
    """Without what differs from run to run: the library's own words at a deadline, addresses and dates."""
    for block in ("header", "trailer"):
        outcome[block] = {
            key: values for key, values in outcome[block].items() if key not in {"content-type", "date"}
        }
    if outcome["scenario"].startswith("garbage"):
        # The client gives up at the message, and has read the trailers by then or not.
        del outcome["trailer"]
        return outcome
    if outcome["code"] == StatusCode.DEADLINE_EXCEEDED and not outcome["trailer"]:
        outcome["message"] = ""
    if outcome["code"] == StatusCode.OK:
        outcome["message"] = ""
    outcome["message"] = outcome["message"].replace(f"127.0.0.1:{port}", "ADDRESS")
    return outcome


async def call_directly(command: Sequence[str], scenarios: Sequence[Scenario]) -> dict[str, Outcome]:
    """What a client reports of a backend that has the faults; ``attempts`` are what the backend saw."""
    async with running_backend(faulty=True) as backend:
        outcomes = await run_client(command, backend.port, scenarios)
    for name, outcome in outcomes.items():
        outcome["attempts"] = backend.attempts[name]
    return outcomes


async def call_through_loom(
    command: Sequence[str], scenarios: Sequence[Scenario], folder: Path
) -> tuple[dict[str, Outcome], dict[str, list[Call]]]:
    """What it reports of a good backend behind a Loom that injects them, and the recorded calls of each scenario.

    ``attempts`` are what Loom recorded.
    """
    async with running_backend(faulty=False) as backend, _running_loom(backend, scenarios, folder) as loom:
        outcomes = await run_client(command, loom.listen_address.port, scenarios)
    calls: dict[str, list[Call]] = {}
    for call in loom.history:  # complete, as it has stopped
        calls.setdefault(str(_values(call, "scenario")[0]), []).append(call)
    for name, outcome in outcomes.items():
        outcome["attempts"] = ["".join(map(str, _values(call, ATTEMPTS))) for call in calls[name]]
    return outcomes, calls


def _values(call: Call, key: str) -> list[str | bytes]:
    return [value for name, value in call.request_metadata if name == key]


@asynccontextmanager
async def _running_loom(
    backend: FaultyBackend, scenarios: Sequence[Scenario], folder: Path
) -> AsyncIterator[Loom]:
    rules = folder / "faults.json"
    rules.write_text(
        json.dumps({"fault": [dict(scenario.table) for scenario in scenarios]}), encoding="utf-8"
    )
    target = Address("127.0.0.1", backend.port)
    loom = Loom(Settings(target=target, listen=_ANY_PORT, ui=None, session=None, rules=(rules,)))
    await loom.start()
    try:
        yield loom
    finally:
        await loom.stop(0)
