"""The example clients run through Loom, and print what they print without it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from loom.demo.backend import DemoBackend
from loom.model import Address
from tests.support import node
from tests.support.api import fetch_json
from tests.support.loom_process import ROOT, environment, running_loom

EXAMPLES = ROOT / "examples"


@asynccontextmanager
async def running_harbour() -> AsyncIterator[str]:
    backend = DemoBackend(Address("127.0.0.1", 0))
    await backend.start()
    try:
        yield str(backend.address)
    finally:
        await backend.stop()


async def output_of(*command: str, home: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment(home),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    return out.decode()


def python_client() -> list[str]:
    return [sys.executable, str(EXAMPLES / "python" / "client.py")]


def node_client() -> list[str]:
    return [str(node.NODE), str(node.installed(EXAMPLES / "node") / "client.mjs")]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("engine", ["relay", "wire"])
@pytest.mark.parametrize(
    ("client", "agent"),
    [(python_client, "grpc-python/"), (node_client, "grpc-node-js/")],
    ids=["python", "node"],
)
async def test_a_client_sees_no_difference_and_loom_sees_every_call(
    tmp_path: Path, client: Callable[[], list[str]], agent: str, engine: str
) -> None:
    command = client()
    arguments = ("--engine", engine, "--listen", "localhost:0", "--ui", "localhost:0", "--no-session")
    async with running_harbour() as harbour:
        direct = await output_of(*command, harbour, home=tmp_path)
        with running_loom("--target", harbour, *arguments, home=tmp_path) as loom:
            address = loom.expect(r"point it at (\S+)")[1]
            page = loom.expect(r"page +http://(\S+?)/")[1]
            assert await output_of(*command, address, home=tmp_path) == direct
            # A line per call comes once the call is over: then the API holds its end.
            for method in ("GetVessel", "WatchPositions", "LoadManifest", "Talk", "GetVessel"):
                loom.expect(rf"/{method} ")
            calls = fetch_json(page, "/api/calls")["calls"]
            first = fetch_json(page, f"/api/calls/{calls[0]['id']}")
    assert "unary: Ocean Harvest carries 2 records" in direct
    assert "an error: NOT_FOUND" in direct
    assert [call["status"]["name"] for call in calls] == ["OK", "CANCELLED", "OK", "OK", "NOT_FOUND"]
    agents = [item["value"] for item in first["metadata"]["request"] if item["key"] == "user-agent"]
    assert agent in agents[0]
