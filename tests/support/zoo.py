"""A backend with all four stream types and the odd behaviours that proxies get wrong.

It needs no protobuf: every method takes and gives bytes. Methods live under ``/zoo.Zoo/``; what they do is in
their docstrings. ``Zoo.seen`` holds what reached the backend, call by call.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

SERVICE = "/zoo.Zoo/"

UNLIMITED = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_metadata_size", 4 << 20),
    ("grpc.absolute_max_metadata_size", 4 << 20),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.so_reuseport", 0),
]

_CODES = {code.value[0]: code for code in grpc.StatusCode}

DETAILS = b"\x08\x05\x12\x04zoo!"
"""Bytes of a small google.rpc.Status."""

Handler = Callable[["Zoo", "SeenCall", Any], Awaitable[None]]


@dataclass
class SeenCall:
    """What the backend saw of one call."""

    method: str
    metadata: tuple[tuple[str, str | bytes], ...]
    remaining: float | None
    messages: int = 0
    size: int = 0
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Event = field(default_factory=asyncio.Event)

    def values(self, key: str) -> list[str | bytes]:
        return [value for name, value in self.metadata if name == key]


class Zoo(grpc.GenericRpcHandler):
    """The backend's handler; :func:`running_zoo` puts a server around it."""

    def __init__(self) -> None:
        self.seen: list[SeenCall] = []
        self.port = 0
        self._arrived = asyncio.Event()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def call(self, number: int = 0) -> SeenCall:
        """The call of that number, once it has reached the backend."""
        while len(self.seen) <= number:
            self._arrived.clear()
            await self._arrived.wait()
        return self.seen[number]

    def service(self, handler_call_details: Any) -> Any:
        method = handler_call_details.method
        behaviour: Handler | None = _BEHAVIOURS.get(method.removeprefix(SERVICE))
        if behaviour is None:
            return None

        async def handle(_requests: Any, context: Any) -> None:
            metadata = tuple((key, value) for key, value in context.invocation_metadata())
            call = SeenCall(method, metadata, context.time_remaining())
            self.seen.append(call)
            self._arrived.set()
            try:
                await behaviour(self, call, context)
            except asyncio.CancelledError:
                call.cancelled.set()
                raise
            except grpc.aio.InternalError:
                # So a write fails whose call is gone, before grpcio cancels the handler.
                call.cancelled.set()

        return grpc.stream_stream_rpc_method_handler(handle)


async def _messages(call: SeenCall, context: Any) -> AsyncIterator[bytes]:
    while (message := await context.read()) is not grpc.aio.EOF:
        call.messages += 1
        call.size += len(message)
        call.started.set()
        yield message


async def echo(_zoo: Zoo, call: SeenCall, context: Any) -> None:
    """Bidi: each message comes back at once; metadata of the request whose key starts with ``echo-`` too."""
    back = [item for item in call.metadata if item[0].startswith("echo-")]
    if back:
        await context.send_initial_metadata(tuple(back))
        context.set_trailing_metadata(tuple((f"t-{key}", value) for key, value in back))
    async for message in _messages(call, context):
        await context.write(message)


async def unary(_zoo: Zoo, call: SeenCall, context: Any) -> None:
    """Unary: the request comes back once the client has half-closed."""
    last = b""
    async for message in _messages(call, context):
        last = message
    await context.write(last)


async def collect(_zoo: Zoo, call: SeenCall, context: Any) -> None:
    """Client stream: ``<messages> <bytes>`` once the client has half-closed."""
    async for _ in _messages(call, context):
        pass
    await context.write(b"%d %d" % (call.messages, call.size))


async def repeat(_zoo: Zoo, call: SeenCall, context: Any) -> None:
    """Server stream: the request ``<count> <size>`` asks for that many messages of that many bytes."""
    count, size = (int(word) for word in (await context.read()).split())
    for number in range(count):
        call.messages = number
        await context.write(number.to_bytes(8, "big").ljust(size, b"z")[:size])


async def status(_zoo: Zoo, call: SeenCall, context: Any) -> None:
    """Nothing but the status that ``zoo-code``, ``zoo-message-bin`` and ``zoo-details`` ask for, unread."""
    code = int(call.values("zoo-code")[0])
    message = b"".join(call.values("zoo-message-bin")).decode()  # type: ignore[arg-type]
    trailing: list[tuple[str, str | bytes]] = [
        ("zoo-trailer", "one"),
        ("zoo-trailer", "two"),
        ("zoo-bin", b"\x00\xff"),
    ]
    if call.values("zoo-details"):
        trailing.append(("grpc-status-details-bin", DETAILS))
    context.set_trailing_metadata(tuple(trailing))
    context.set_code(_CODES[code])
    context.set_details(message)


async def partial(_zoo: Zoo, call: SeenCall, context: Any) -> None:
    """Three messages, then a status that is not OK."""
    for number in range(3):
        await context.write(b"part %d" % number)
    await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "three are enough", (("left", "none"),))


async def early(_zoo: Zoo, call: SeenCall, context: Any) -> None:
    """A status at once, whatever the client is sending."""
    await context.abort(grpc.StatusCode.PERMISSION_DENIED, "not for you", (("why", "policy"),))


async def early_after_one(_zoo: Zoo, call: SeenCall, context: Any) -> None:
    """A status with initial metadata after the first message, whatever else the client is sending."""
    await context.read()
    await context.send_initial_metadata((("seen", "first"),))
    await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the first was enough", (("why", "first"),))


async def headers(_zoo: Zoo, call: SeenCall, context: Any) -> None:
    """Initial metadata at once, then nothing until the call is cancelled."""
    await context.send_initial_metadata((("early", "yes"), ("early-bin", b"\x01")))
    await asyncio.Event().wait()


async def bare_headers(_zoo: Zoo, call: SeenCall, context: Any) -> None:
    """Initial metadata without any, then nothing until the call is cancelled."""
    await context.send_initial_metadata(())
    await asyncio.Event().wait()


async def bulky(_zoo: Zoo, call: SeenCall, context: Any) -> None:
    """Initial metadata with a value of ``zoo-size`` bytes."""
    await context.send_initial_metadata((("bulk", "x" * int(call.values("zoo-size")[0])),))


async def hang(_zoo: Zoo, call: SeenCall, context: Any) -> None:
    """Nothing at all until the call is cancelled."""
    call.started.set()
    await asyncio.Event().wait()


async def flood(_zoo: Zoo, call: SeenCall, context: Any) -> None:
    """Messages of 1 MiB without end, ``call.size`` counting what could be written."""
    block = bytes(1 << 20)
    while True:
        await context.write(block)
        call.size += len(block)
        call.started.set()


async def empties(_zoo: Zoo, call: SeenCall, context: Any) -> None:
    """An empty message for each message, and one more at the end."""
    async for _ in _messages(call, context):
        await context.write(b"")
    await context.write(b"")


async def nothing(_zoo: Zoo, call: SeenCall, context: Any) -> None:
    """OK without any message, once the client has half-closed."""
    async for _ in _messages(call, context):
        pass
    context.set_trailing_metadata((("end", "quiet"),))


_BEHAVIOURS: dict[str, Handler] = {
    "Echo": echo,
    "Unary": unary,
    "Collect": collect,
    "Repeat": repeat,
    "Status": status,
    "Partial": partial,
    "Early": early,
    "EarlyAfterOne": early_after_one,
    "Headers": headers,
    "BareHeaders": bare_headers,
    "Bulky": bulky,
    "Hang": hang,
    "Flood": flood,
    "Empties": empties,
    "Nothing": nothing,
}


@asynccontextmanager
async def running_zoo(
    port: int = 0, credentials: grpc.ServerCredentials | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Zoo]:
    """The backend on a free port (or that one) of the loopback, without TLS unless given credentials."""
    zoo = Zoo()
    server = grpc.aio.server(handlers=(zoo,), options=UNLIMITED)
    where = f"{host}:{port}"
    zoo.port = server.add_secure_port(where, credentials) if credentials else server.add_insecure_port(where)
    await server.start()
    try:
        yield zoo
    finally:
        await server.stop(None)


async def _serve() -> None:
    """``python -m tests.support.zoo [PORT]``: print the port, then serve until killed."""
    async with running_zoo(int(sys.argv[1]) if len(sys.argv) > 1 else 0) as zoo:
        print(zoo.port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
