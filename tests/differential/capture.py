"""What tshark sees of the calls on the loopback: a third observer, which has no part in them.

It needs tshark, and the right to capture (root, or membership of its group).
"""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

_INTERFACE = "lo0" if sys.platform == "darwin" else "lo"
_BUFFER = "256"  # MiB, of the kernel
_AGGREGATOR = "\x01"
_LINE_BYTES = 1 << 20
_FIELDS = (
    "tcp.stream",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.flags.fin",
    "tcp.flags.reset",
    "http2.type",
    "http2.flags",
    "http2.streamid",
    "http2.length",
    "http2.header.count",
    "http2.header.name",
    "http2.header.value",
)
DATA, HEADERS, RST_STREAM, CONTINUATION = 0, 1, 3, 9
_END_STREAM = 1
_TRUE = frozenset({"1", "True"})


@dataclass(frozen=True)
class Frame:
    """One HTTP/2 frame, or the FIN or RST of a TCP connection, which has no type."""

    order: int
    connection: int
    source: int  # the sender's port
    destination: int
    type: int | None
    end: bool  # END_STREAM, RST_STREAM, FIN or RST
    stream: int = 0
    size: int = 0  # of DATA, bytes
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def is_reset(self) -> bool:
        """Whether it is an RST_STREAM."""
        return self.type == RST_STREAM


class Capture:
    """A running capture; ``port`` is Loom's."""

    def __init__(self, output: asyncio.StreamReader, port: int) -> None:
        self._output = output
        self._port = port

    async def frames(self) -> list[Frame]:
        """Everything that has passed so far, in order: up to a connection that this makes to Loom, without a call."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", self._port)
        source = transport.get_extra_info("sockname")[1]
        transport.close()
        found: list[Frame] = []
        async for line in self._output:
            frames = list(parse_packet(line.decode(errors="replace").rstrip("\n"), len(found)))
            if any(frame.source == source for frame in frames):
                return found
            found += frames
        raise RuntimeError("tshark ended before the traffic did")


def missing_reason() -> str:
    """Why nothing can be captured here; empty if it can."""
    if shutil.which("tshark") is None:
        return "tshark is not installed"
    return "" if os.geteuid() == 0 else "capturing needs root"


@asynccontextmanager
async def running_capture(ports: tuple[int, int]) -> AsyncIterator[Capture]:
    """Capture the traffic of Loom's and the backend's port of the loopback for as long as the block lasts."""
    wanted = " or ".join(f"tcp port {port}" for port in ports)
    command = ["tshark", "-n", "-l", "-i", _INTERFACE, "-B", _BUFFER, "-f", wanted, "-T", "fields"]
    # What dissects the payloads gives up at messages that are not protobuf, and what follows them is lost.
    for protocol in ("grpc", "protobuf"):
        command += ["--disable-protocol", protocol]
    for port in ports:
        command += ["-d", f"tcp.port=={port},http2"]
    for name in _FIELDS:
        command += ["-e", name]
    command += ["-E", "occurrence=a", "-E", f"aggregator={_AGGREGATOR}", "-E", "separator=/t"]
    tshark = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=_LINE_BYTES
    )
    assert tshark.stdout is not None
    assert tshark.stderr is not None
    try:
        async for line in tshark.stderr:
            if b"Capture started" in line:
                break
        else:
            raise RuntimeError("tshark does not capture")
        yield Capture(tshark.stdout, ports[0])
    finally:
        if tshark.returncode is None:
            tshark.send_signal(signal.SIGINT)
        await tshark.communicate()


def parse_packet(line: str, order: int) -> Iterator[Frame]:
    """The frames that a packet completes, and its FIN or RST after them."""
    columns = line.split("\t")
    connection, source, destination, fin, reset = (column.split(_AGGREGATOR)[0] for column in columns[:5])
    types, flags, streams, sizes, counts, names, values = (
        column.split(_AGGREGATOR) if column else [] for column in columns[5:]
    )
    number = order
    start = 0
    blocks = iter(counts)
    for type_, flag, stream, size in zip(types, flags, streams, sizes, strict=True):
        headers: tuple[tuple[str, str], ...] = ()
        kind = int(type_, 0)
        if kind in {HEADERS, CONTINUATION} and (count := next(blocks, None)) is not None:
            stop = start + int(count)
            headers = tuple(zip(names[start:stop], values[start:stop], strict=True))
            start = stop
        end = kind == RST_STREAM or (kind in {DATA, HEADERS} and bool(int(flag, 0) & _END_STREAM))
        data = int(size, 0) if kind == DATA else 0
        yield Frame(
            number, int(connection), int(source), int(destination),
            kind, end, int(stream, 0), data, headers,
        )  # fmt: skip
        number += 1
    if fin in _TRUE or reset in _TRUE:
        yield Frame(number, int(connection), int(source), int(destination), None, end=True)
