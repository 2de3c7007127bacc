"""Write a shell script with a grpcurl command for each call."""

import base64
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping

from loom.decoding.call_decoder import DecodedCall
from loom.decoding.stored_schema import StoredSchema
from loom.grpcurl.command import SchemaOptions, grpcurl_command
from loom.model import Call, Direction, EndedBy, Secrets, StatusCode, StoredDescriptorSet
from loom.model.originals import with_original_answer
from loom.model.projection import INTERRUPTED
from loom.model.timestamps import format_timestamp

from .alterations import alteration_note
from .destination import Destination

_STATUS_OFFSET = 64  # grpcurl exits with a status code plus this
_HEADER = """\
#!/bin/sh
# Calls that Loom recorded, as grpcurl commands. Exit code: how many of them ended otherwise than recorded.
NO_PROXY='*' no_proxy='*'
export NO_PROXY no_proxy
failed=0
check() {
  [ "$1" = "$2" ] && return
  echo "# exit code $1; it was recorded with $3, which is exit code $2" >&2
  failed=$((failed + 1))
}
"""
_TLS_SWITCH = """
# Whether the servers speak TLS was not recorded. TLS=1: they do; TLS='-cacert ca.pem': with these flags of grpcurl.
TLS=${TLS:-0}
case $TLS in
  0) connection=-plaintext ;;
  1) connection= ;;
  *) connection=$TLS ;;
esac
"""
_SCHEMA_FUNCTION = """
# The schema as it was recorded: the servers need no reflection.
schemas=$(mktemp -d) || exit 125
trap 'rm -rf "$schemas"' EXIT
trap 'exit 130' HUP INT TERM
if base64 -d </dev/null >/dev/null 2>&1; then decode=-d; else decode=-D; fi
schema() {
  base64 "$decode" >"$schemas/$1" && return
  echo "# the schema cannot be decoded: base64 is needed" >&2
  exit 125
}
"""
_FOOTER = """
[ "$failed" -gt 100 ] && failed=100
exit "$failed"
"""


def write_script(
    calls: Iterable[Call],
    schema: StoredSchema,
    secrets: Secrets | None,
    destination: Destination,
    fault_seeds: Mapping[int, int],
) -> Iterator[bytes]:
    """Yield the script. It continues after a call that ends otherwise than recorded, and exits with their number."""
    del fault_seeds
    yield _HEADER.encode()
    if destination.tls is None:
        yield _TLS_SWITCH.encode()
    sets: dict[bytes, int] = {}
    for recorded_call in calls:
        altered = alteration_note(recorded_call)
        call = with_original_answer(recorded_call)
        if call.status is None or call.note == INTERRUPTED:
            yield f"\n# Left out: call {call.id} {call.method!a}: it had not ended.\n".encode()
            continue
        requests = [message for message in call.messages if message.direction is Direction.REQUEST]
        method = schema.method(call.method)
        decoder = schema.decoder(call.method)
        decoding = DecodedCall([decoder.decode(item) for item in requests], method, schema.resolver(method))
        stored = schema.descriptors(call.method)
        if stored is not None and stored.file_set not in sets:
            if not sets:
                yield _SCHEMA_FUNCTION.encode()
            sets[stored.file_set] = len(sets) + 1
            yield _schema_block(stored, sets[stored.file_set])
        schema_flags = "" if stored is None else _schema_flags(stored, sets[stored.file_set], decoding)
        command = grpcurl_command(
            call,
            decoding,
            destination.endpoint_of(call),
            SchemaOptions(shell_text=schema_flags),
            secrets or Secrets(()),
            reveal=secrets is None,
            connection="$connection" if destination.tls is None else "",
        )
        notes = [altered, *command.notes] if altered else command.notes
        yield _command_block(call, call.status.name, command.command, notes).encode("utf-8", "replace")
    yield _FOOTER.encode()


def _schema_block(stored: StoredDescriptorSet, number: int) -> bytes:
    text = base64.encodebytes(stored.file_set).decode()
    origin = _one_line(f"{stored.source} of {stored.origin or stored.target}")
    return f"\n# {ascii(origin)[1:-1]}\nschema {number} <<'EOF'\n{text}EOF\n".encode()


def _schema_flags(stored: StoredDescriptorSet, number: int, decoding: DecodedCall) -> str:
    flags = f'-protoset "$schemas/{number}"'
    # The type in an Any may be in another file, which reflection knows.
    anys = stored.source.startswith("reflection") and any(
        '"@type"' in json.dumps(message.json) for message in decoding.messages
    )
    return f"{flags} -use-reflection" if anys else flags


def _command_block(call: Call, status: str, command: str, notes: Iterable[str]) -> str:
    lines = ["", f"# call {call.id}, {format_timestamp(call.started_ns)}, {status}"]
    lines += [f"# {_one_line(note)}" for note in notes]
    if command:
        lines += [f"echo {shlex.quote(f'# {call.id} {call.method}')}", command]
        lines += [f"check $? {code} {status}" for code in _exit_code(call)]
    return "\n".join(lines) + "\n"


def _exit_code(call: Call) -> Iterator[int]:
    """grpcurl's exit code if the call ends as recorded; nothing if the backend did not end it."""
    if call.ended_by is EndedBy.CLIENT:
        yield _STATUS_OFFSET + StatusCode.DEADLINE_EXCEEDED  # the command has a deadline then
    elif call.status is not None and call.ended_by in {EndedBy.BACKEND, EndedBy.DEADLINE}:
        yield _STATUS_OFFSET + call.status.code if call.status.code else 0


def _one_line(text: str) -> str:
    return " ".join(text.split())
