"""The client of faults with grpcio: ``fault_client.py ADDRESS``, the calls on standard input (see fault_scenarios.py).

Prints a JSON line for each call: what the application gets. A message that begins with 0xff cannot be decoded.
"""

import contextlib
import json
import queue
import sys
from typing import Any

import grpc


def decode(message: bytes) -> bytes:
    if message.startswith(b"\xff"):
        raise ValueError("not decodable")
    return message


def brief(message: bytes) -> str:
    return message.decode("latin-1") if len(message) < 100 else f"{len(message)} bytes"


def shown(metadata: Any) -> dict[str, list[str]]:
    """Every value by key, in order; binary ones as hex."""
    values: dict[str, list[str]] = {}
    for key, value in metadata or ():
        values.setdefault(key, []).append(value.hex() if isinstance(value, bytes) else value)
    return values


def call(channel: Any, request: dict[str, Any]) -> dict[str, Any]:
    metadata = (("scenario", request["scenario"]),)
    timeout = request["timeout_ms"] / 1000 or None
    messages: list[str] = []
    ended: Any
    if request["method"] == "Get":
        try:
            answer, ended = channel.unary_unary(request["path"], None, decode).with_call(
                b"a request", timeout=timeout, metadata=metadata
            )
            messages += [] if answer is None else [brief(answer)]  # grpcio takes OK without a message
        except grpc.RpcError as error:
            ended = error
    elif request["method"] == "Watch":
        ended = channel.unary_stream(request["path"], None, decode)(
            b"a request", timeout=timeout, metadata=metadata
        )
        with contextlib.suppress(grpc.RpcError):
            messages += map(brief, ended)
    else:
        ended = chat(channel, request, timeout, metadata, messages)
    return {
        "scenario": request["scenario"],
        "code": ended.code().value[0],
        "message": ended.details() or "",
        "header": shown(ended.initial_metadata()),
        "trailer": shown(ended.trailing_metadata()),
        "messages": messages,
    }


def chat(channel: Any, request: dict[str, Any], timeout: Any, metadata: Any, messages: list[str]) -> Any:
    """Send a request once the answer to the one before it is there."""
    requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    call = channel.stream_stream(request["path"], None, decode)(
        iter(requests.get, None), timeout=timeout, metadata=metadata
    )
    texts = (b"a",) if request["method"] == "Hold" else (b"a", b"b", b"c")
    with contextlib.suppress(grpc.RpcError, StopIteration):
        for text in texts:
            requests.put(text)
            messages.append(brief(next(call)))
        if request["method"] == "Chat":
            requests.put(None)
        messages += map(brief, call)
    requests.put(None)
    return call


def main() -> None:
    requests = json.load(sys.stdin)
    options = [("grpc.service_config", json.dumps(requests["service_config"]))]
    with grpc.insecure_channel(sys.argv[1], options=options) as channel:
        for request in requests["calls"]:
            print(json.dumps(call(channel, request)), flush=True)


main()
