"""A shell script of grpcurl commands, one a call."""

import shlex
from collections.abc import Iterable, Iterator

from loom.actions.grpcurl import Descriptors, Reach, grpcurl_command
from loom.actions.messages import Decoding
from loom.actions.reading.schema import StoredSchema
from loom.model import Address, Call, Direction, EndedBy, Secrets, StatusCode
from loom.recording.moments import moment
from loom.recording.sessions.fold import STOPPED

_STATUS_OFFSET = 64  # grpcurl's exit code for a status is that much above it
_BEGINNING = """\
#!/bin/sh
# Calls that Loom recorded, as grpcurl commands. Exit code: how many of them ended otherwise than recorded.
failed=0
check() {
  [ "$1" = "$2" ] && return
  echo "# exit code $1; it was recorded with $3, which is exit code $2" >&2
  failed=$((failed + 1))
}
"""
_END = """
[ "$failed" -gt 100 ] && failed=100
exit "$failed"
"""


def write_script(
    calls: Iterable[Call], schema: StoredSchema, secrets: Secrets | None, target: str
) -> Iterator[bytes]:
    """The script goes on where a call ends otherwise than recorded, and ends with how many did."""
    reach = Reach(Address.parse(target or "localhost:50051"))
    yield _BEGINNING.encode()
    for call in calls:
        if call.status is None or call.note == STOPPED:
            yield f"\n# Left out: call {call.id} {call.method!a}: it had not ended.\n".encode()
            continue
        requests = [message for message in call.messages if message.direction is Direction.REQUEST]
        method = schema.method(call.method)
        decoder = schema.decoder(call.method)
        decoding = Decoding([decoder.decode(item) for item in requests], method, schema.types(method))
        command = grpcurl_command(
            call, decoding, reach, Descriptors(), secrets or Secrets(()), reveal=secrets is None
        )
        yield _part(call, call.status.name, command.command, command.notes).encode("utf-8", "replace")
    yield _END.encode()


def _part(call: Call, status: str, command: str, notes: Iterable[str]) -> str:
    lines = ["", f"# call {call.id}, {moment(call.started_ns)}, {status}"]
    lines += [f"# {_one_line(note)}" for note in notes]
    if command:
        lines += [f"echo {shlex.quote(f'# {call.id} {call.method}')}", command]
        lines += [f"check $? {code} {status}" for code in _exit_code(call)]
    return "\n".join(lines) + "\n"


def _exit_code(call: Call) -> Iterator[int]:
    """What grpcurl ends with where a call ends as it did; nothing where it was not the backend's doing."""
    if call.ended_by is EndedBy.CLIENT:
        yield _STATUS_OFFSET + StatusCode.DEADLINE_EXCEEDED  # the command gives it up
    elif call.status is not None and call.ended_by in {EndedBy.BACKEND, EndedBy.DEADLINE}:
        yield _STATUS_OFFSET + call.status.code if call.status.code else 0


def _one_line(text: str) -> str:
    return " ".join(text.split())
