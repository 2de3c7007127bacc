"""Format a recorded call as a grpcurl command that sends it again. No I/O.

The command is for POSIX shells (sh, bash, zsh). The notes say what grpcurl cannot repeat.

Source: https://github.com/fullstorydev/grpcurl (flags as of 1.8.6 and later).
"""

import base64
import json
import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import Descriptor

from loom.api.replay import GrpcurlCommand
from loom.codec import EncodeError, TypeResolver, encode
from loom.codec.canonical import exact_value, find_difference, same_content
from loom.decoding.call_decoder import DecodedCall
from loom.decoding.message_decoder import DecodedMessage
from loom.model import (
    CONNECTION_KEYS,
    MASK,
    Call,
    CallState,
    Direction,
    EndedBy,
    Endpoint,
    Kind,
    MetadataItem,
    Secrets,
)
from loom.schema import split_path

from .dialect import Dialect

_ONE_LINE = 100
_MAX_PLACES = 5  # named in the note on values that JSON does not represent exactly
_MAX_ARGUMENT = 16 * 1024
_END = "EOF"
_DEFAULT_RESPONSE_LIMIT = 4 * 1024 * 1024
_MAX_DEADLINE = 10**9  # seconds; grpcurl's own arithmetic overflows not far beyond
_SHORT_DEADLINE = 1.0
_CANCELLED_SLACK = 1.0  # seconds that grpcurl has for connecting and reflection where a client had cancelled


@dataclass(frozen=True, slots=True)
class SchemaOptions:
    """Where grpcurl gets the schema from: the server's reflection, or files.

    ``reflection_headers`` are sent to the reflection service. ``note`` is added to the notes of the command.
    ``shell_text`` replaces the options by text that the shell expands.
    """

    reflection: bool = True
    protos: tuple[Path, ...] = ()
    import_paths: tuple[Path, ...] = ()
    protosets: tuple[Path, ...] = ()
    reflection_headers: tuple[tuple[str, str], ...] = ()
    note: str = ""
    shell_text: str = ""


def grpcurl_command(
    call: Call,
    decoding: DecodedCall,
    endpoint: Endpoint,
    schema: SchemaOptions,
    secrets: Secrets,
    *,
    reveal: bool = False,
    connection: str = "",
) -> GrpcurlCommand:
    """The command that sends ``decoding``, the call's decoded request messages, in order.

    Metadata that ``secrets`` masks is masked unless ``reveal``. ``connection`` replaces the options for TLS by text
    that the shell expands.
    """
    service, name = split_path(call.method)
    if not service or not name:
        return GrpcurlCommand(
            "", (f"{call.method!r} is not /package.Service/Method: grpcurl cannot call it",)
        )
    requests, method = decoding.messages, decoding.method
    decodable = [request for request in requests if not request.error]
    if method is None or (requests and not decodable):
        return GrpcurlCommand("", (_undecodable_note(decoding),))
    metadata, metadata_notes = _metadata(call.request_metadata, secrets, reveal=reveal)
    flags = [
        *_connection_flags(endpoint, connection),
        *_limits(call),
        *_schema_flags(schema, secrets, reveal=reveal),
        *metadata,
    ]
    dialect = Dialect(decoding.resolver)
    texts = [json_text(dialect.message(request.json, method.request)) for request in decodable]
    target = [
        shlex.quote(endpoint.address.unix_path or str(endpoint.address)),
        shlex.quote(f"{service}/{name}"),
    ]
    inexact = _inexact_note(decodable, method.request, decoding.resolver)
    notes = [*metadata_notes, *dialect.problems, *inexact, *_notes(call, requests, endpoint, schema)]
    return GrpcurlCommand(_assemble(flags, texts, target), tuple(notes))


def json_text(value: Any) -> str:
    """JSON on one line, readable, in which every character that does not print is escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else "".join(_printable(text))


def _printable(text: str) -> Iterator[str]:
    for character in text:
        if character.isprintable():
            yield character
        else:
            units = character.encode("utf-16-be", "surrogatepass")
            yield from (f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _assemble(flags: list[str], texts: list[str], target: list[str]) -> str:
    here_document = ""
    if len(texts) > 1 or (texts and len(texts[0]) > _MAX_ARGUMENT):
        # Streams, and a message too long for an argument, go through standard input, one message per line.
        flags = [*flags, "-d @"]
        here_document = "\n".join([f" <<'{_END}'", *texts, _END])
    elif texts:
        flags = [*flags, f"-d {shlex.quote(texts[0])}"]
    words = ["grpcurl", *flags, *target]
    line = " ".join(words)
    if len(line) > _ONE_LINE:
        line = " \\\n  ".join([f"grpcurl {flags[0]}" if flags else "grpcurl", *flags[1:], " ".join(target)])
    return line + here_document


def _connection_flags(endpoint: Endpoint, shell_text: str) -> Iterator[str]:
    if endpoint.address.unix_path:
        yield "-unix"
    if shell_text:
        yield shell_text
        return
    if not endpoint.tls:
        yield "-plaintext"
        if endpoint.authority:
            yield f"-authority {shlex.quote(endpoint.authority)}"
        return
    if endpoint.insecure:
        yield "-insecure"
    for flag, path in (
        ("-cacert", endpoint.ca_file),
        ("-cert", endpoint.cert_file),
        ("-key", endpoint.key_file),
    ):
        if path:
            yield f"{flag} {shlex.quote(path)}"
    if endpoint.server_name:
        yield f"-servername {shlex.quote(endpoint.server_name)}"
    elif endpoint.authority:
        yield f"-authority {shlex.quote(endpoint.authority)}"


def _limits(call: Call) -> Iterator[str]:
    seconds = _longest_seconds(call)
    if seconds is not None:
        yield f"-max-time {seconds:.3f}".rstrip("0").rstrip(".")
    largest = max((item.size for item in call.messages if item.direction is Direction.RESPONSE), default=0)
    if largest > _DEFAULT_RESPONSE_LIMIT // 2:
        yield f"-max-msg-sz {max(_DEFAULT_RESPONSE_LIMIT, 2 * largest)}"


def _longest_seconds(call: Call) -> float | None:
    """The deadline; of a call that its client cancelled, a little longer than it ran, if that is less."""
    deadline, cancelled = _deadline_seconds(call), _cancelled_seconds(call)
    return deadline if cancelled is None or (deadline or _MAX_DEADLINE) < cancelled else cancelled


def _cancelled_seconds(call: Call) -> float | None:
    if call.ended_by is not EndedBy.CLIENT or call.duration_ns is None:
        return None
    return math.ceil(call.duration_ns / 1e9) + _CANCELLED_SLACK


def _deadline_seconds(call: Call) -> float | None:
    if call.deadline_ns is None:
        return None
    seconds = max((call.deadline_ns - call.started_ns) / 1e9, 0.001)
    return seconds if seconds < _MAX_DEADLINE else None


def _schema_flags(schema: SchemaOptions, secrets: Secrets, *, reveal: bool) -> Iterator[str]:
    if schema.shell_text:
        yield schema.shell_text
        return
    if schema.reflection:
        for key, value in schema.reflection_headers:
            shown = MASK if secrets.masks(key) and not reveal else value
            yield f"-reflect-header {shlex.quote(f'{key}: {shown}')}"
        return
    if schema.protosets:
        yield from (f"-protoset {shlex.quote(str(path))}" for path in schema.protosets)
        return
    yield from (f"-import-path {shlex.quote(str(path))}" for path in schema.import_paths)
    yield from (f"-proto {shlex.quote(str(path))}" for path in schema.protos)


def _metadata(
    metadata: Sequence[MetadataItem], secrets: Secrets, *, reveal: bool
) -> tuple[list[str], list[str]]:
    flags: list[str] = []
    notes: list[str] = []
    masked: dict[str, None] = {}
    for key, value in metadata:
        if key.startswith(":") or key.lower() in CONNECTION_KEYS:
            continue
        if secrets.masks(key) and not reveal:
            masked[key] = None
            flags.append(f"-H {shlex.quote(f'{key}: {MASK}')}")
            continue
        text = base64.b64encode(value).decode() if isinstance(value, bytes) else value
        if not isinstance(value, bytes):
            note = _value_note(key, text)
            if note:
                notes.append(note)
            if "\0" in text:
                continue
        flags.append(f"-H {shlex.quote(f'{key}: {text}')}")
    if masked:
        names = ", ".join(masked)
        verb = "is" if len(masked) == 1 else "are"
        notes.append(f"{names} {verb} masked: put the value in place of {MASK}, or ask with secrets revealed")
    return flags, notes


def _value_note(key: str, text: str) -> str:
    """A note on a text value that grpcurl does not send as recorded."""
    if "\0" in text:
        return f"metadata {key} has a NUL, which no shell can pass on: it is left out"
    if text != text.strip():
        return f"metadata {key} begins or ends with white space, which grpcurl strips"
    if not (text.isascii() and text.isprintable()):
        return (
            f"metadata {key} has characters outside printable ASCII, which newer versions of grpcurl refuse"
        )
    return ""


def _undecodable_note(decoding: DecodedCall) -> str:
    reason = decoding.messages[0].error if decoding.messages else decoding.problem
    if decoding.method is not None:
        return (
            f"no request message fits the schema ({reason}), and grpcurl sends nothing else: "
            "replay the call in Loom, which sends it as recorded"
        )
    why = f" ({reason})" if reason else ""
    return (
        f"grpcurl needs the method's schema, and Loom knows none{why}: give it the .proto files, with --proto or "
        "--protoset or on the page's Schema tab, and ask again; or replay the call in Loom, which needs no schema"
    )


def _notes(
    call: Call, requests: Sequence[DecodedMessage], endpoint: Endpoint, schema: SchemaOptions
) -> Iterator[str]:
    if schema.note:
        yield schema.note
    if (
        endpoint.tls
        and endpoint.server_name
        and endpoint.authority
        and endpoint.server_name != endpoint.authority
    ):
        yield (
            f"grpcurl takes one name for the certificate and for :authority: it sends {endpoint.server_name}, "
            f"Loom sent {endpoint.authority}"
        )
    prefix = call.method.removesuffix("/".join(("", *split_path(call.method))))
    if prefix:
        yield f"grpcurl cannot send the path prefix {prefix!a}: the command is for a backend that serves without it"
    yield from _message_notes(call, requests)
    seconds = _deadline_seconds(call)
    if seconds is not None and seconds <= _SHORT_DEADLINE:
        yield "grpcurl counts connecting and reflection into -max-time: raise it if the call times out"
    if call.state is CallState.LIVE:
        yield "the call is still open: these are the messages that it has sent so far"
    elif call.ended_by is EndedBy.CLIENT:
        seconds = (call.duration_ns or 0) / 1e9
        yield f"the client cancelled this call after {seconds:.2f} s: grpcurl gives it up a little later (-max-time)"


def _inexact_note(
    requests: Sequence[DecodedMessage], descriptor: Descriptor, resolver: TypeResolver
) -> Iterator[str]:
    """A note on the values that are not those of the recorded messages when their JSON is encoded again."""
    places = []
    for request in requests:
        path = _inexact_path(request, descriptor, resolver)
        if path is not None:
            places.append(f"{path or 'all of it'} (message {request.index})")
    if places:
        more = f" and {len(places) - _MAX_PLACES} more" if len(places) > _MAX_PLACES else ""
        yield (
            "JSON does not represent all values exactly, and grpcurl sends what it shows (the first of each message: "
            f"{', '.join(places[:_MAX_PLACES])}{more}); a replay in Loom sends them as recorded"
        )


def _inexact_path(request: DecodedMessage, descriptor: Descriptor, resolver: TypeResolver) -> str | None:
    """The path of the first value that a message's JSON does not represent exactly."""
    if request.data is None:
        return None
    try:
        encoded = encode(request.json, descriptor, resolver)
    except EncodeError as error:
        return error.path
    if same_content(request.data, encoded, descriptor, resolver):
        return None
    before, after = (exact_value(data, descriptor, resolver) for data in (request.data, encoded))
    return find_difference(before, after)


def _message_notes(call: Call, requests: Sequence[DecodedMessage]) -> Iterator[str]:
    left_out = [request.index for request in requests if request.error]
    if left_out:
        yield f"left out, because not decodable: {_listed(left_out)}"
    unknown = [request.index for request in requests if request.unknown_fields]
    if unknown:
        yield f"fields that the schema does not know are not sent: {_listed(unknown)}"
    missing = call.request_messages - len(requests)
    if missing > 0:
        yield f"{missing} request messages are no longer held and not sent: the history's budget dropped them"
    encodings = {
        item.encoding or "an unnamed encoding"
        for item in call.messages
        if item.compressed and item.direction is Direction.REQUEST
    }
    if encodings:
        yield f"the client compressed its messages ({', '.join(sorted(encodings))}); grpcurl sends them as they are"
    if not requests and not missing and call.declared_kind in {Kind.UNARY, Kind.SERVER}:
        yield "the client sent no message; grpcurl sends an empty one"
    if call.kind is Kind.BIDI and len(requests) > 1 and call.response_messages:
        yield "grpcurl sends all messages back to back; replay the call in Loom to keep their timing"


def _listed(indices: list[int], shown: int = 10) -> str:
    words = ", ".join(str(index) for index in indices[:shown])
    more = f" and {len(indices) - shown} more" if len(indices) > shown else ""
    return f"message{'s' if len(indices) > 1 else ''} {words}{more}"
