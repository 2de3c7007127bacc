"""A backend with a schema (tests/fixtures/mirror.proto) that answers with what it was sent, and remembers it.

Methods take and give bytes: what the backend remembers of a message is what was on the wire. With the
metadata ``mirror-code`` a call ends with that status instead of OK, with ``mirror-hang`` it does not end,
with ``mirror-trailer`` a trailer has that many bytes.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_reflection.v1alpha import reflection

from loom.schema import compile_protos

PROTO = Path(__file__).parent.parent / "fixtures" / "mirror.proto"
SERVICE = "mirror.v1.Mirror"
OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_metadata_size", 1 << 20),
    ("grpc.absolute_max_metadata_size", 1 << 20),
    ("grpc.so_reuseport", 0),
]

_CODES = {code.value[0]: code for code in grpc.StatusCode}


@cache
def file_set() -> FileDescriptorSet:
    """The compiled schema with all that it imports."""
    return compile_protos([PROTO])


@cache
def pool() -> descriptor_pool.DescriptorPool:
    """A pool with the schema in it."""
    made = descriptor_pool.DescriptorPool()
    for file in file_set().file:
        made.Add(file)
    return made


def make(name: str, /, **fields: Any) -> Any:
    """A message of the schema (``Thing``, ``Part``) or, by its full name, of what the schema imports."""
    full = name if "." in name else f"mirror.v1.{name}"
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(full))(**fields)


def thing(**fields: Any) -> bytes:
    """The bytes of a Thing."""
    return bytes(make("Thing", **fields).SerializeToString(deterministic=True))


@dataclass
class Received:
    """One call as it reached the backend; ``remaining`` is its deadline in seconds, if it had one.

    ``begun`` is set with its first message.
    """

    method: str
    metadata: tuple[tuple[str, str | bytes], ...]
    remaining: float | None
    messages: list[bytes] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Mirror(grpc.GenericRpcHandler):
    """The backend's handler; :func:`running_mirror` puts a server around it.

    ``alter`` may change each message that goes back.
    """

    def __init__(self, alter: Callable[[bytes], bytes]) -> None:
        self.received: list[Received] = []
        self.port = 0
        self._alter = alter
        self._arrived = asyncio.Event()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def call(self, number: int) -> Received:
        """The call of that number, once its first message is there."""
        call = await self.arrived(number)
        await call.begun.wait()
        return call

    async def arrived(self, number: int) -> Received:
        """The call of that number, once it is there."""
        while len(self.received) <= number:
            self._arrived.clear()
            await self._arrived.wait()
        return self.received[number]

    def service(self, handler_call_details: Any) -> Any:
        path: str = handler_call_details.method
        service, _, method = path.removeprefix("/").rpartition("/")
        if service != SERVICE:
            return None

        async def handle(_requests: Any, context: Any) -> None:
            call = Received(path, tuple(context.invocation_metadata()), context.time_remaining())
            self.received.append(call)
            self._arrived.set()
            try:
                await self._answer(method, call, context)
            finally:
                call.ended.set()

        return grpc.stream_stream_rpc_method_handler(handle)

    async def _answer(self, method: str, call: Received, context: Any) -> None:
        if any(key == "mirror-hang" for key, _ in call.metadata):
            await asyncio.Event().wait()
        while (message := await context.read()) is not grpc.aio.EOF:
            call.messages.append(message)
            call.begun.set()
            call.times.append(asyncio.get_running_loop().time())
            if method == "Chat":
                await context.write(self._alter(message))
        if method in {"Say", "Gather", "Wrap", "Touch"}:
            await context.write(self._alter(b"".join(call.messages)))
        elif method == "Spread":
            for _ in range(3):
                await context.write(self._alter(call.messages[0]))
        trailer = next((int(value) for key, value in call.metadata if key == "mirror-trailer"), 0)
        large = (("large", "x" * trailer),) if trailer else ()
        context.set_trailing_metadata((("mirrored", str(len(call.messages))), *large))
        code = next((int(value) for key, value in call.metadata if key == "mirror-code"), 0)
        if code:
            context.set_code(_CODES[code])
            context.set_details("as asked")


@asynccontextmanager
async def running_mirror(
    *,
    described: bool = True,
    credentials: grpc.ServerCredentials | None = None,
    alter: Callable[[bytes], bytes] = lambda message: message,
) -> AsyncIterator[Mirror]:
    """The backend on a free port of the loopback, with reflection if ``described``."""
    mirror = Mirror(alter)
    server = grpc.aio.server(handlers=(mirror,), options=OPTIONS)
    if described:
        reflection.enable_server_reflection([SERVICE, reflection.SERVICE_NAME], server, pool=pool())
    where = "127.0.0.1:0"
    mirror.port = (
        server.add_secure_port(where, credentials) if credentials else server.add_insecure_port(where)
    )
    await server.start()
    try:
        yield mirror
    finally:
        await server.stop(None)
