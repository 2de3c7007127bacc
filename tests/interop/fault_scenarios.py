"""Faults as clients see them: each as Loom injects it, and as a backend behaves that has the same fault.

A backend that :func:`running_backend` starts answers well, or with the faults of :data:`SCENARIOS` (``faulty``), by the
request metadata ``scenario``. Its methods, which a client program calls as :class:`Scenario` says:

* ``Get``: one response to one request.
* ``Watch``: five responses to one request.
* ``Chat``: each request is sent back; the client waits for it before it sends the next one, and then half-closes.
* ``Hold``: as ``Chat`` with one request, without a half-close.
"""

import asyncio
import base64
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

PLAIN, RETRIED = "faults.Faults", "faults.Retried"
"""Two services with the same methods; clients have a retry policy for the second."""

SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{"service": RETRIED}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.01s",
                "maxBackoff": "0.02s",
                "backoffMultiplier": 1,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}
PUSHBACK_MS = 150
HEADER = (("x-header", "from the backend"),)
TRAILER = (("x-trailer", "from the backend"),)
ANSWER = b"an answer"
STREAM = tuple(f"message {number}".encode() for number in range(5))
OVERSIZE = 5 << 20  # clients accept 4 MiB
BYTES = b"\x00\xff\x80"

_CODES = {code.value[0]: code for code in grpc.StatusCode}

Behaviour = Callable[["FaultyCall"], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """One call with a fault: a ``[[fault]]`` of Loom without name and match, and a backend's behaviour of its own.

    ``timeout`` in seconds is the client's. The quick ones run in the test suite.
    """

    name: str
    method: str
    fault: Mapping[str, Any]
    alone: Behaviour
    timeout: float = 0.0
    service: str = PLAIN
    quick: bool = False

    @property
    def table(self) -> dict[str, Any]:
        """The fault with its name and match."""
        return {"name": self.name, "match": f'meta:scenario="{self.name}"', **self.fault}

    @property
    def request(self) -> dict[str, Any]:
        """What a client program is to call."""
        return {
            "scenario": self.name,
            "path": f"/{self.service}/{self.method}",
            "method": self.method,
            "timeout_ms": int(self.timeout * 1000),
        }


class FaultyCall:
    """A call at the backend."""

    def __init__(self, method: str, context: Any) -> None:
        self._method = method
        self._context = context

    async def read(self) -> bytes | None:
        """The next request; None after the half-close."""
        message = await self._context.read()
        return None if message is grpc.aio.EOF else bytes(message)

    async def start(self) -> None:
        """Send the initial metadata."""
        await self._context.send_initial_metadata(HEADER)

    async def write(self, *messages: bytes) -> None:
        for message in messages:
            await self._context.write(message)

    async def echo(self, count: int = 0) -> None:
        """Send requests back: ``count`` of them, or all."""
        while (message := await self.read()) is not None:
            await self.write(message)
            count -= 1
            if not count:
                return

    async def abort(self, code: int, message: str, trailing: Any = ()) -> None:
        await self._context.abort(_CODES[code], message, trailing)

    async def hang(self) -> None:
        await asyncio.Event().wait()

    def end(self) -> None:
        """End with OK."""
        self._context.set_trailing_metadata(TRAILER)

    async def behave(self) -> None:
        """As without a fault."""
        await self.start()
        if self._method == "Get":
            await self.read()
            await self.write(ANSWER)
        elif self._method == "Watch":
            await self.read()
            await self.write(*STREAM)
        else:
            await self.echo()
        self.end()


@dataclass
class FaultyBackend(grpc.GenericRpcHandler):
    """The backend's handler; ``attempts`` has the values of grpc-previous-rpc-attempts by scenario, one per call."""

    faulty: bool
    port: int = 0
    attempts: dict[str, list[str]] = field(default_factory=dict)
    _calls: Counter[str] = field(default_factory=Counter)

    def service(self, handler_call_details: Any) -> Any:
        method = handler_call_details.method.rpartition("/")[2]

        async def handle(_requests: Any, context: Any) -> None:
            metadata = dict(context.invocation_metadata())
            scenario = BY_NAME[metadata["scenario"]]
            self.attempts.setdefault(scenario.name, []).append(metadata.get("grpc-previous-rpc-attempts", ""))
            self._calls[scenario.name] += 1
            call = FaultyCall(method, context)
            if self.faulty and self._calls[scenario.name] <= scenario.fault.get("times", 1000):
                await scenario.alone(call)
            else:
                await call.behave()

        return grpc.stream_stream_rpc_method_handler(handle)


@asynccontextmanager
async def running_backend(*, faulty: bool) -> AsyncIterator[FaultyBackend]:
    backend = FaultyBackend(faulty)
    options = [("grpc.so_reuseport", 0), ("grpc.max_send_message_length", -1)]
    server = grpc.aio.server(handlers=(backend,), options=options)
    backend.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield backend
    finally:
        await server.stop(None)


# What a backend does that has a fault


def aborts(code: int, message: str, trailing: Any = ()) -> Behaviour:
    async def behave(call: FaultyCall) -> None:
        await call.abort(code, message, trailing)

    return behave


def answers(*messages: bytes) -> Behaviour:
    """Other messages than the method's."""

    async def behave(call: FaultyCall) -> None:
        await call.start()
        await call.read()
        await call.write(*messages)
        call.end()

    return behave


def aborts_after(messages: tuple[bytes, ...], code: int, message: str) -> Behaviour:
    async def behave(call: FaultyCall) -> None:
        await call.start()
        await call.read()
        await call.write(*messages)
        await call.abort(code, message)

    return behave


async def _hangs(call: FaultyCall) -> None:
    await call.hang()


async def _hangs_after_two(call: FaultyCall) -> None:
    await call.start()
    await call.read()
    await call.write(*STREAM[:2])
    await call.hang()


async def _aborts_at_the_second_request(call: FaultyCall) -> None:
    await call.start()
    await call.echo(1)
    await call.read()
    await call.abort(10, "stop")


async def _aborts_at_the_half_close(call: FaultyCall) -> None:
    await call.start()
    await call.echo()
    await call.abort(10, "stop")


async def _aborts_in_time(call: FaultyCall) -> None:
    await call.start()
    await call.echo(1)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            await call.hang()
    await call.abort(13, "time is up")


async def _ends_after_the_first_request(call: FaultyCall) -> None:
    await call.start()
    await call.echo(1)
    call.end()


async def _does_not_see_the_half_close(call: FaultyCall) -> None:
    await call.start()
    await call.echo()
    await call.hang()


async def _behaves(call: FaultyCall) -> None:
    await call.behave()


def _details(code: int, message: str) -> bytes:
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.ErrorInfo(reason="STOCK", domain="shop"))
    value = status_pb2.Status(code=code, message=message, details=[detail])
    return bytes(value.SerializeToString(deterministic=True))


def _padded(message: bytes) -> bytes:
    """A message of :data:`OVERSIZE` with an unknown field of zeroes."""
    tag_and_length = b"\xfa\xff\xff\xff\x0f" + _varint(OVERSIZE - len(message))
    return message + tag_and_length + bytes(OVERSIZE - len(message))


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


_AGAIN = "try again: 50 % später"
_RICH = {"x-reason": "fault", "x-raw-bin": base64.b64encode(BYTES).decode()}
_UNAVAILABLE = aborts(14, "gone")

SCENARIOS = (
    Scenario(
        "abort",
        "Get",
        {"status": "UNAVAILABLE", "message": _AGAIN, "trailers": _RICH},
        aborts(14, _AGAIN, (("x-reason", "fault"), ("x-raw-bin", BYTES))),
        quick=True,
    ),
    Scenario(
        "details",
        "Get",
        {
            "status": "FAILED_PRECONDITION",
            "message": "sold out",
            "details": [{"@type": "google.rpc.ErrorInfo", "reason": "STOCK", "domain": "shop"}],
        },
        aborts(9, "sold out", (("grpc-status-details-bin", _details(9, "sold out")),)),
        quick=True,
    ),
    *(
        Scenario(f"code {code}", "Get", {"status": code, "message": "by number"}, aborts(code, "by number"))
        for code in range(1, 17)
    ),
    Scenario("abort a stream", "Watch", {"status": "ABORTED", "message": "stop"}, aborts(10, "stop")),
    Scenario(
        "abort at the second request",
        "Chat",
        {"status": "ABORTED", "message": "stop", "at": "request 2"},
        _aborts_at_the_second_request,
        quick=True,
    ),
    Scenario(
        "abort at the half-close",
        "Chat",
        {"status": "ABORTED", "message": "stop", "at": "half-close"},
        _aborts_at_the_half_close,
    ),
    Scenario(
        "abort instead of the initial metadata",
        "Get",
        {"status": "INTERNAL", "message": "stop", "at": "response-metadata"},
        aborts(13, "stop"),
    ),
    Scenario(
        "abort instead of the third response",
        "Watch",
        {"status": "DATA_LOSS", "message": "cut", "at": "response 3"},
        aborts_after(STREAM[:2], 15, "cut"),
    ),
    Scenario(
        "abort after two responses",
        "Watch",
        {"status": "DATA_LOSS", "message": "cut", "at": "after 2 responses"},
        aborts_after(STREAM[:2], 15, "cut"),
        quick=True,
    ),
    Scenario(
        "abort at the trailers",
        "Watch",
        {"status": "DATA_LOSS", "message": "cut", "at": "trailers"},
        aborts_after(STREAM, 15, "cut"),
    ),
    Scenario(
        "abort in time",
        "Hold",
        {"status": "INTERNAL", "message": "time is up", "at": "after 200ms"},
        _aborts_in_time,
        quick=True,
    ),
    Scenario("delay", "Get", {"delay": "50ms"}, _behaves),
    Scenario("delay of a response", "Watch", {"delay": "50ms", "at": "response 2"}, _behaves),
    Scenario("delay past the deadline", "Get", {"delay": "30s"}, _hangs, timeout=0.3, quick=True),
    Scenario("hang", "Get", {"hang": True}, _hangs, timeout=0.3),
    Scenario(
        "hang at the third response",
        "Watch",
        {"hang": True, "at": "response 3"},
        _hangs_after_two,
        timeout=0.8,
        quick=True,
    ),
    Scenario("drop a response", "Watch", {"drop": True, "at": "response 2"}, answers(STREAM[0], *STREAM[2:])),
    Scenario(
        "duplicate a response",
        "Watch",
        {"duplicate": 3, "at": "response 1"},
        answers(*STREAM[:1] * 2, *STREAM),
    ),
    Scenario("no response", "Get", {"responses": 0}, answers(), quick=True),
    Scenario("two responses", "Get", {"responses": 2}, answers(ANSWER, ANSWER), timeout=0.8, quick=True),
    Scenario("garbage", "Get", {"corrupt": "garbage"}, answers(b"\xff" * len(ANSWER)), quick=True),
    Scenario(
        "garbage in a stream",
        "Watch",
        {"corrupt": "garbage", "at": "response 2"},
        answers(STREAM[0], b"\xff" * len(STREAM[1]), *STREAM[2:]),
    ),
    Scenario(
        "a truncated message",
        "Watch",
        {"corrupt": "truncate", "at": "response 2"},
        answers(STREAM[0], STREAM[1][: len(STREAM[1]) // 2], *STREAM[2:]),
    ),
    Scenario("oversize", "Get", {"oversize": "5MiB"}, answers(_padded(ANSWER)), quick=True),
    Scenario("throttle", "Watch", {"throttle": "50/s"}, _behaves),
    Scenario(
        "a half-close that does not arrive",
        "Chat",
        {"half-close": "withhold"},
        _does_not_see_the_half_close,
        timeout=0.8,
    ),
    Scenario(
        "an early half-close",
        "Chat",
        {"half-close": "early", "at": "request 1"},
        _ends_after_the_first_request,
        quick=True,
    ),
    Scenario("a cancellation of the target", "Get", {"cancel-target": True}, _hangs, timeout=0.3),
    Scenario(
        "retry twice",
        "Get",
        {"status": "UNAVAILABLE", "message": "gone", "times": 2},
        _UNAVAILABLE,
        service=RETRIED,
        quick=True,
    ),
    Scenario(
        "retry until the last attempt",
        "Get",
        {"status": "UNAVAILABLE", "message": "gone"},
        _UNAVAILABLE,
        service=RETRIED,
    ),
    Scenario(
        "retry when asked",
        "Get",
        {
            "status": "UNAVAILABLE",
            "message": "gone",
            "times": 1,
            "trailers": {"grpc-retry-pushback-ms": str(PUSHBACK_MS)},
        },
        aborts(14, "gone", (("grpc-retry-pushback-ms", str(PUSHBACK_MS)),)),
        service=RETRIED,
        quick=True,
    ),
    Scenario(
        "do not retry when asked",
        "Get",
        {
            "status": "UNAVAILABLE",
            "message": "gone",
            "times": 1,
            "trailers": {"grpc-retry-pushback-ms": "-1"},
        },
        aborts(14, "gone", (("grpc-retry-pushback-ms", "-1"),)),
        service=RETRIED,
        quick=True,
    ),
    Scenario(
        "do not retry another code",
        "Get",
        {"status": "INTERNAL", "message": "gone", "times": 1},
        aborts(13, "gone"),
        service=RETRIED,
    ),
    Scenario(
        "retry without initial metadata",
        "Get",
        {"status": "UNAVAILABLE", "message": "gone", "at": "response-metadata", "times": 1},
        _UNAVAILABLE,
        service=RETRIED,
    ),
    Scenario(
        "do not retry after initial metadata",
        "Get",
        {"status": "UNAVAILABLE", "message": "gone", "at": "response 1", "times": 1},
        aborts_after((), 14, "gone"),
        service=RETRIED,
        quick=True,
    ),
    Scenario(
        "retry a stream",
        "Watch",
        {"status": "UNAVAILABLE", "message": "gone", "times": 1},
        _UNAVAILABLE,
        service=RETRIED,
    ),
    Scenario(
        "do not retry a stream after two responses",
        "Watch",
        {"status": "UNAVAILABLE", "message": "gone", "at": "after 2 responses", "times": 1},
        aborts_after(STREAM[:2], 14, "gone"),
        service=RETRIED,
    ),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
QUICK = tuple(scenario for scenario in SCENARIOS if scenario.quick)
