"""Write a pytest file that makes the calls again with grpcio, without Loom."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from typing import Any

from loom.codec import CompressionError
from loom.decoding.message_decoder import decompress_message
from loom.decoding.stored_schema import StoredSchema
from loom.grpc_core.custom_metadata import filter_metadata
from loom.model import Call, Direction, EndedBy, Metadata, Secrets, application_metadata
from loom.model.originals import with_original_answer
from loom.model.timestamps import format_timestamp

from .alterations import alteration_note
from .destination import Destination

_MARK = "# <calls>"
_ENDED = {
    EndedBy.CLIENT: "its client ended it, not the backend",
    EndedBy.DEADLINE: "its deadline ended it, not the backend",
    EndedBy.LOOM: "Loom ended it, not the backend",
    None: "the recording does not say that the backend ended it",
}


def write_pytest(
    calls: Iterable[Call],
    schema: StoredSchema,
    secrets: Secrets | None,
    destination: Destination,
    fault_seeds: Mapping[int, int],
) -> Iterator[bytes]:
    """Yield the file. Calls that the backend did not end, or that miss messages, are left out with a comment."""
    del fault_seeds
    template = resources.files(__package__).joinpath("pytest_file.template").read_text(encoding="utf-8")
    before, after = template.split(_MARK)
    yield _fill_in(before, destination).encode()
    sets: dict[bytes, int] = {}
    left_out: list[str] = []
    yield b"CALLS = [\n"
    for recorded_call in calls:
        call = with_original_answer(recorded_call)
        problem = _exclusion_reason(call)
        if problem:
            left_out.append(f"# Left out: call {call.id} {_comment_text(call.method)}: {problem}.")
            continue
        stored = schema.descriptors(call.method)
        number = None if stored is None else sets.setdefault(stored.file_set, len(sets))
        altered = alteration_note(recorded_call)
        yield (f"    # {_comment_text(altered)}\n" if altered else "").encode()
        yield _entry(call, schema, secrets, destination, number).encode()
    yield b"]\n\nDESCRIPTORS = [\n"
    for file_set in sets:
        yield _wrapped(file_set, "    ").encode() + b",\n"
    yield b"]\n"
    yield "".join(f"{line}\n" for line in left_out).encode()
    yield after.encode()


def _fill_in(template: str, destination: Destination) -> str:
    """The part of the file before the calls, with the connection settings."""
    endpoint = destination.endpoint
    values = {
        "tls": "1" if destination.tls else "",
        "ca": endpoint.ca_file if endpoint else "",
        "cert": endpoint.cert_file if endpoint else "",
        "key": endpoint.key_file if endpoint else "",
        "server name": endpoint.server_name if endpoint else "",
        "authority": endpoint.authority if endpoint else "",
    }
    for name, value in values.items():
        template = template.replace(f'"<{name}>"', ascii(value))
    return template


def _exclusion_reason(call: Call) -> str:
    if call.ended_ns is None or call.status is None:
        return "it had not ended"
    if call.ended_by is not EndedBy.BACKEND:
        return _ENDED[call.ended_by]
    count = sum(1 for message in call.messages if message.data is not None)
    if count < call.request_messages + call.response_messages:
        return "Loom no longer holds all its messages"
    try:
        for message in call.messages:
            decompress_message(message)
    except CompressionError as error:
        return f"a message cannot be decompressed: {error}"
    return ""


def _entry(
    call: Call,
    schema: StoredSchema,
    secrets: Secrets | None,
    destination: Destination,
    descriptors: int | None,
) -> str:
    method = schema.method(call.method)
    types = None if method is None else (method.request.full_name, method.response.full_name)
    timeout = None if call.deadline_ns is None else max((call.deadline_ns - call.started_ns) / 1e9, 1.0)
    assert call.status is not None  # noqa: S101 (checked above)
    sendable, note = filter_metadata(application_metadata(call.request_metadata))
    fields: dict[str, Any] = {
        "id": f"{call.id}-{call.method.rpartition('/')[2]}",
        "method": call.method,
        "target": str(destination.endpoint_of(call).address),
        "timeout": timeout,
        "metadata": _metadata(sendable, secrets),
        "code": int(call.status.code),
        "descriptors": descriptors,
        "types": types,
    }
    lines = [f"    # call {call.id}, {format_timestamp(call.started_ns)}"]
    lines += [f"    # Metadata {_comment_text(note)}"] if note else []
    lines.append("    {")
    lines += [f"        {key!r}: {value!a}," for key, value in fields.items()]
    for name, direction in (("requests", Direction.REQUEST), ("responses", Direction.RESPONSE)):
        messages = [message for message in call.messages if message.direction is direction]
        lines.append(f"        {name!r}: [")
        lines += [_wrapped(decompress_message(message), "            ") + "," for message in messages]
        lines.append("        ],")
    return "\n".join([*lines, "    },"]) + "\n"


def _metadata(metadata: Metadata, secrets: Secrets | None) -> list[tuple[str, str | bytes | None]]:
    """What to send. A masked value is None: the test takes it from the environment."""
    return [
        (key, None if secrets is not None and secrets.masks(key) else value)
        for key, value in metadata
        if not key.startswith("grpc-")
    ]


def _wrapped(data: bytes, indent: str) -> str:
    """A call of ``data("…", "…")`` with base64, in lines of 80 characters."""
    text = base64.b64encode(data).decode("ascii")
    if len(text) <= 80:  # noqa: PLR2004 (a line's worth)
        return f'{indent}data("{text}")'
    pieces = [f'{indent}    "{text[at : at + 80]}"' for at in range(0, len(text), 80)]
    return "\n".join([f"{indent}data(", *pieces, f"{indent})"])


def _comment_text(text: str) -> str:
    """Text without line breaks, which would end a comment."""
    return ascii(text)[1:-1]
