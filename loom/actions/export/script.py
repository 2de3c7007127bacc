"""A shell script of grpcurl commands, one a call."""

import shlex
from collections.abc import Iterable, Iterator

from loom.actions.grpcurl import Descriptors, Reach, grpcurl_command
from loom.actions.messages import Decoding, decode_all
from loom.actions.reading.schema import StoredSchema
from loom.codec import TypesOf
from loom.model import Address, Call, Direction, Secrets
from loom.recording.moments import moment


def write_script(
    calls: Iterable[Call], schema: StoredSchema, secrets: Secrets | None, target: str
) -> Iterator[bytes]:
    """The script goes on where a command fails, and ends with how many did."""
    reach = Reach(Address.parse(target or "localhost:50051"))
    yield b"#!/bin/sh\n# Calls that Loom recorded, as grpcurl commands. Exit code: how many of them failed.\nfailed=0\n"
    for call in calls:
        requests = [message for message in call.messages if message.direction is Direction.REQUEST]
        method = schema.method(call.method)
        decoded = decode_all(requests, method, "no schema was stored for it")
        decoding = Decoding(decoded, method, method.pool if method else TypesOf(()))
        command = grpcurl_command(
            call, decoding, reach, Descriptors(), secrets or Secrets(()), reveal=secrets is None
        )
        yield _part(call, command.command, command.notes).encode("utf-8", "replace")
    yield b'\nexit "$failed"\n'


def _part(call: Call, command: str, notes: Iterable[str]) -> str:
    status = "still open" if call.status is None else call.status.name
    lines = ["", f"# call {call.id}, {moment(call.started_ns)}, {status}"]
    lines += [f"# {_one_line(note)}" for note in notes]
    if command:
        lines += [
            f"echo {shlex.quote(f'# {call.id} {call.method}')}",
            command,
            "[ $? = 0 ] || failed=$((failed + 1))",
        ]
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())
