"""Random calls from a seed, and a client and a backend that make them and log what they see."""

import asyncio
import enum
import hashlib
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import status_pb2

SERVICE = "differential.Random"
PLAN_KEY = "x-plan"
_DETAILS_KEY = "grpc-status-details-bin"
_SIZES = (0, 1, 5, 100, 4_000, 16_384, 70_000, 300_000)  # bytes; both sides of frames and windows
METADATA_KEYS = frozenset({"x-text", "x-other", "x-bytes-bin"})
_CLIENT_FAILURE = "Internal error from Core"  # grpc.aio lost the status when a write met the call's end
_PATIENCE = 60.0  # seconds

Pair = tuple[str, str | bytes]


class End(enum.StrEnum):
    """How a call ends."""

    STATUS = "status"  # the backend's, after it has read everything
    EARLY = "early"  # the backend's, before it has read anything
    CANCEL = "cancel"  # the client's, after all planned responses
    DEADLINE = "deadline"  # after all planned responses


@dataclass(frozen=True)
class Plan:
    """One call, made from the seed and its number by both sides."""

    number: int
    kind: str
    end: End
    requests: tuple[bytes, ...]
    responses: tuple[bytes, ...]
    metadata: tuple[Pair, ...]
    initial: tuple[Pair, ...]
    trailing: tuple[Pair, ...]
    code: int
    message: str
    details: bytes | None
    compressed_requests: bool
    compressed_responses: bool
    deadline: float | None  # seconds


def make_plan(seed: int, number: int) -> Plan:
    """The call of this number."""
    rng = random.Random(f"{seed}/{number}")
    kind = rng.choice(("unary", "client", "server", "bidi"))
    end = rng.choices(list(End), weights=(12, 2, 2, 1))[0]
    many_requests = kind in {"client", "bidi"}
    many_responses = kind in {"server", "bidi"}
    code = rng.choice((0, 0, 0, *range(1, 17)))
    if end is End.EARLY and not many_requests:
        end = End.STATUS
    if end in {End.CANCEL, End.DEADLINE}:
        code = 0
    responses = rng.randrange(6) if many_responses else int(code == 0 and end is not End.EARLY)
    if end in {End.CANCEL, End.DEADLINE} and not many_responses:
        responses = 0
    if end is End.EARLY:
        code = code or 9
    message = "" if code == 0 else rng.choice(("", "no such order", "ünï ✓ %41\n", "x" * 500))
    details = None
    if code and rng.random() < 0.4:
        detail = any_pb2.Any(type_url="type.googleapis.com/a.B", value=rng.randbytes(20))
        details = status_pb2.Status(code=code, message=message, details=[detail]).SerializeToString()
    return Plan(
        number=number,
        kind=kind,
        end=end,
        requests=_messages(rng, rng.randrange(6) if many_requests else 1),
        responses=_messages(rng, responses),
        metadata=_metadata(rng),
        initial=_metadata(rng),
        trailing=_metadata(rng),
        code=code,
        message=message,
        details=details,
        compressed_requests=rng.random() < 0.3,
        compressed_responses=rng.random() < 0.3,
        deadline=1.0 if end is End.DEADLINE else rng.choice((None, None, _PATIENCE)),
    )


def _messages(rng: random.Random, count: int) -> tuple[bytes, ...]:
    messages = []
    for _ in range(count):
        size = rng.choice(_SIZES)
        messages.append(rng.randbytes(size) if rng.random() < 0.5 else bytes([rng.randrange(256)]) * size)
    return tuple(messages)


def _metadata(rng: random.Random) -> tuple[Pair, ...]:
    pairs: list[Pair] = []
    for _ in range(rng.randrange(4)):
        if rng.random() < 0.4:
            pairs.append(("x-bytes-bin", rng.randbytes(rng.randrange(30))))
        else:
            pairs.append((rng.choice(("x-text", "x-other")), rng.choice(("a", "a b", "1,2", "x" * 300))))
    return tuple(pairs)


def digest(message: bytes) -> str:
    """What stands for a message in logs: its size and hash."""
    return f"{len(message)}:{hashlib.sha256(message).hexdigest()[:16]}"


def custom(metadata: Any) -> list[Pair]:
    """The planned keys among metadata, sorted by key; the order of one key's values is kept."""
    pairs = [(key, value) for key, value in metadata or () if key in METADATA_KEYS]
    return sorted(pairs, key=lambda pair: pair[0])


@dataclass
class Log:
    """What one side saw of one call."""

    requests: list[str] = field(default_factory=list)
    responses: list[str] = field(default_factory=list)
    metadata: list[Pair] = field(default_factory=list)
    initial: list[Pair] | None = None
    trailing: list[Pair] | None = None
    code: int | None = None  # None if a side does not know it
    message: str = ""
    details: bytes | None = None
    deadline_ns: int | None = None  # of the client's clock, since the epoch


class RandomBackend:
    """Answers each call as planned; ``logs`` is what it saw, by number."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.logs: dict[int, Log] = {}

    async def handle(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        """The handler of every method."""
        metadata = list(context.invocation_metadata())
        number = int(dict(metadata)[PLAN_KEY])
        plan, log = make_plan(self._seed, number), Log(metadata=custom(metadata))
        self.logs[number] = log
        if plan.compressed_responses:
            context.set_compression(grpc.Compression.Gzip)
        if plan.end is not End.EARLY:
            async for request in requests:
                log.requests.append(digest(request))
        await context.send_initial_metadata(plan.initial)
        for response in plan.responses:
            yield response
            log.responses.append(digest(response))
        if plan.end in {End.CANCEL, End.DEADLINE}:
            await asyncio.Event().wait()
        trailing = plan.trailing if plan.details is None else (*plan.trailing, (_DETAILS_KEY, plan.details))
        context.set_trailing_metadata(trailing)
        context.set_code(grpc.StatusCode(_STATUS_BY_CODE[plan.code]))
        context.set_details(plan.message)
        log.code = plan.code


_STATUS_BY_CODE = {status.value[0]: status for status in grpc.StatusCode}


class _AnyMethod(grpc.GenericRpcHandler):
    def __init__(self, backend: RandomBackend) -> None:
        self._handler: Any = grpc.stream_stream_rpc_method_handler(backend.handle)

    def service(self, handler_call_details: Any) -> Any:
        return self._handler


@asynccontextmanager
async def running_backend(backend: RandomBackend) -> AsyncIterator[int]:
    """Serve on a free port, which is the result."""
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers((_AnyMethod(backend),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)


async def run_client(port: int, seed: int, numbers: range, concurrency: int) -> dict[int, Log]:
    """Make the calls, some at a time; what the client saw, by number."""
    logs: dict[int, Log] = {}
    slots = asyncio.Semaphore(concurrency)
    options = [("grpc.max_receive_message_length", -1)]

    async def make(channel: grpc.aio.Channel, number: int) -> None:
        async with slots:
            logs[number] = await _call(channel, make_plan(seed, number))

    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        await asyncio.gather(*(make(channel, number) for number in numbers))
    return logs


async def _call(channel: grpc.aio.Channel, plan: Plan) -> Log:
    log = Log(requests=[digest(request) for request in plan.requests])
    if plan.deadline is not None:
        log.deadline_ns = time.time_ns() + int(plan.deadline * 1e9)
    method: Any = channel.stream_stream(f"/{SERVICE}/{plan.kind}")
    call: Any = method(
        metadata=((PLAN_KEY, str(plan.number)), *plan.metadata),
        timeout=plan.deadline,
        compression=grpc.Compression.Gzip if plan.compressed_requests else grpc.Compression.NoCompression,
    )
    try:
        for request in plan.requests:
            await call.write(request)
        await call.done_writing()
        while True:
            if plan.end is End.CANCEL and len(log.responses) == len(plan.responses):
                await call.initial_metadata()
                call.cancel()
            response = await call.read()
            if response is grpc.aio.EOF:
                break
            log.responses.append(digest(response))
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError, asyncio.CancelledError):
        pass  # the status says it
    log.code = (await call.code()).value[0]
    log.message = await call.details() or ""
    if log.message == _CLIENT_FAILURE:
        log.code = None
    log.initial = custom(await call.initial_metadata())
    trailing = await call.trailing_metadata()
    log.trailing = custom(trailing)
    log.details = next((value for key, value in trailing or () if key == _DETAILS_KEY), None)
    return log
