"""Clients and backends written with other gRPC libraries, run as processes of their own.

Each program prints JSON lines: ``client HOST:PORT`` one for each scenario as the client saw it, ``backend``
its port and then one for each call as the backend saw it. Run directly and through an engine, the lines must be
the same save for what docs/explanation/transparency.md lists.
"""

import asyncio
import json
import subprocess
import sysconfig
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Line = dict[str, Any]

ALTERED = frozenset(
    {"content-type", "grpc-accept-encoding", "accept-encoding", "user-agent", ":authority", "date"}
)
"""Metadata that belongs to one connection: docs/explanation/transparency.md says what becomes of each.

``date`` is made by the backend's library and forwarded, but a second's difference is no difference.
"""

_LINE_LIMIT = 1 << 24
GO_SOURCES = Path(__file__).with_name("go")
GO = Path(sysconfig.get_path("scripts")) / "go"


def build_go_program(folder: Path) -> str:
    """Build the program of grpc-go into a folder; fast if Go's build cache has it."""
    program = folder / "interop"
    subprocess.run([GO, "build", "-o", str(program), "."], cwd=GO_SOURCES, check=True)
    return str(program)


@dataclass
class ForeignBackend:
    """A running backend: where it listens, and what it has seen so far."""

    port: int
    lines: list[Line] = field(default_factory=list)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def reported(self, calls: int) -> list[Line]:
        """Wait for that many lines."""
        while len(self.lines) < calls:
            self._arrived.clear()
            await self._arrived.wait()
        return self.lines

    async def _collect(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            self.lines.append(json.loads(line))
            self._arrived.set()


@asynccontextmanager
async def foreign_backend(*command: str) -> AsyncIterator[ForeignBackend]:
    """Run ``command backend`` for as long as the block lasts."""
    process = await asyncio.create_subprocess_exec(
        *command, "backend", stdout=asyncio.subprocess.PIPE, limit=_LINE_LIMIT
    )
    assert process.stdout is not None
    backend = ForeignBackend(int(await process.stdout.readline()))
    collecting = asyncio.ensure_future(backend._collect(process.stdout))
    try:
        yield backend
    finally:
        process.kill()
        await process.wait()
        await collecting


async def foreign_client(port: int, *command: str) -> list[Line]:
    """Run ``command client`` against that port of the loopback to its end; what it saw."""
    process = await asyncio.create_subprocess_exec(
        *command,
        "client",
        f"127.0.0.1:{port}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LINE_LIMIT,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return [json.loads(line) for line in out.splitlines()]


def comparable(lines: list[Line]) -> dict[str, list[Line]]:
    """Lines by scenario, without what is not forwarded or differs from run to run."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        kept = {key: _cleaned(value) if isinstance(value, dict) else value for key, value in line.items()}
        if kept.get("code") == 0:  # grpcio drops the text of an OK status
            kept.pop("message", None)
        if kept.get("code") in {4, "DeadlineExceeded"}:  # in the words of whose clock was first
            kept.pop("message", None)
        found.setdefault(str(line["scenario"]), []).append(kept)
    return found


def _cleaned(metadata: dict[str, Any]) -> dict[str, Any] | None:
    return {key: value for key, value in metadata.items() if key not in ALTERED} or None
