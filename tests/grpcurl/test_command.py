"""The grpcurl command as text: its flags, what it leaves out, and what it says of that."""

from typing import Any

import pytest

from loom.api.replay import GrpcurlCommand
from loom.decoding.call_decoder import DecodedCall
from loom.decoding.message_decoder import DecodedMessage
from loom.grpcurl.command import SchemaOptions, grpcurl_command, json_text
from loom.model import (
    CONNECTION_KEYS,
    DEFAULT_SECRETS,
    MASK,
    Address,
    Call,
    Direction,
    EndedBy,
    Endpoint,
    Kind,
    Secrets,
    Status,
)
from loom.schema import Method, Provenance
from tests.support.mirror import SERVICE, pool

LOCAL = Endpoint(Address("localhost", 50051))


def ended(**fields: Any) -> Call:
    """An ended call without traffic behind it."""
    call = Call(1, "/acme.shop.v1.Shop/GetOrder", 0, ended_ns=1, status=Status(0), ended_by=EndedBy.BACKEND)
    for name, value in fields.items():
        setattr(call, name, value)
    return call


def written(call: Call, *values: Any, endpoint: Endpoint = LOCAL, **options: Any) -> GrpcurlCommand:
    requests = [DecodedMessage(index, Direction.REQUEST, json=value) for index, value in enumerate(values)]
    found = pool().FindMethodByName(f"{SERVICE}.Say")
    method = Method(
        call.method, Kind.UNARY, found.input_type, found.output_type, Provenance("test", ""), pool()
    )
    descriptors = options.pop("descriptors", SchemaOptions())
    decoding = DecodedCall(requests, method, pool())
    return grpcurl_command(call, decoding, endpoint, descriptors, Secrets(), **options)


def test_a_short_command_is_one_line() -> None:
    assert written(ended(request_messages=1), {"id": "o-17"}) == GrpcurlCommand(
        """grpcurl -plaintext -d '{"id": "o-17"}' localhost:50051 acme.shop.v1.Shop/GetOrder"""
    )


@pytest.mark.parametrize("prefix", ["/api", "/api/v2"])
def test_a_prefix_of_the_path_is_left_out_with_a_note(prefix: str) -> None:
    call = ended(request_messages=1)
    call.method = prefix + call.method
    command = written(call, {"id": "o-17"})
    assert command.command.endswith("localhost:50051 acme.shop.v1.Shop/GetOrder")
    assert command.notes == (
        f"grpcurl cannot send the path prefix {prefix!r}: the command is for a backend that serves without it",
    )


def test_a_long_command_has_a_flag_a_line() -> None:
    call = ended(request_metadata=(("x-tenant", "42"), ("x-request-id", "0123456789")))
    assert written(call, {"id": "o-17"}).command == (
        "grpcurl -plaintext \\\n"
        "  -H 'x-tenant: 42' \\\n"
        "  -H 'x-request-id: 0123456789' \\\n"
        '  -d \'{"id": "o-17"}\' \\\n'
        "  localhost:50051 acme.shop.v1.Shop/GetOrder"
    )


def test_a_stream_is_a_message_a_line() -> None:
    assert written(ended(request_messages=2), {"id": "1"}, {"id": "2"}).command == (
        "grpcurl -plaintext -d @ localhost:50051 acme.shop.v1.Shop/GetOrder <<'EOF'\n"
        '{"id": "1"}\n{"id": "2"}\nEOF'
    )


def test_what_a_connection_sets_itself_is_not_repeated() -> None:
    call = ended(request_metadata=tuple((key, "x") for key in (*CONNECTION_KEYS, ":authority")))
    assert "-H" not in written(call).command


def test_tls_flags_and_quoted_paths() -> None:
    endpoint = Endpoint(
        Address("::1", 443), tls=True, ca_file="/etc/my ca.pem", cert_file="c.pem", key_file="k.pem",
        server_name="shop.example",
    )  # fmt: skip
    command = written(ended(), endpoint=endpoint)
    assert "-plaintext" not in command.command
    assert "-cacert '/etc/my ca.pem'" in command.command
    assert "-cert c.pem" in command.command
    assert "-key k.pem" in command.command
    assert "-servername shop.example" in command.command
    assert "'[::1]:443'" in command.command


def test_a_unix_socket_is_a_path_with_a_flag() -> None:
    endpoint = Endpoint(Address.parse_target("unix:/run/my app.sock"))
    assert written(ended(), endpoint=endpoint).command == (
        "grpcurl -unix -plaintext '/run/my app.sock' acme.shop.v1.Shop/GetOrder"
    )


def test_two_names_are_one_too_many_for_grpcurl() -> None:
    endpoint = Endpoint(Address("h", 1), tls=True, server_name="shop.example", authority="other.example")
    command = written(ended(), endpoint=endpoint)
    assert "-authority" not in command.command
    assert any("it sends shop.example, Loom sent other.example" in note for note in command.notes)


def test_headers_for_reflection_are_masked_too() -> None:
    descriptors = SchemaOptions(reflection_headers=(("authorization", "Bearer x"),))
    assert f"-reflect-header 'authorization: {MASK}'" in written(ended(), descriptors=descriptors).command
    revealed = written(ended(), descriptors=descriptors, reveal=True)
    assert "-reflect-header 'authorization: Bearer x'" in revealed.command


@pytest.mark.parametrize(
    ("value", "note", "sent"),
    [
        (" padded", "begins or ends with white space", True),
        ("smörgås", "outside printable ASCII", True),
        ("nul\0", "has a NUL", False),
    ],
)
def test_text_metadata_that_grpcurl_alters(value: str, note: str, sent: bool) -> None:
    command = written(ended(request_metadata=(("x-odd", value),)))
    assert any(note in item for item in command.notes)
    assert ("x-odd" in command.command) is sent


def test_a_path_that_is_no_method_has_no_command() -> None:
    command = written(ended(method="/nonsense"))
    assert command.command == ""
    assert "not /package.Service/Method" in command.notes[0]


def test_without_a_schema_there_is_no_command_but_a_reason() -> None:
    requests = [DecodedMessage(0, Direction.REQUEST, error="reflection is off")]
    command = grpcurl_command(
        ended(), DecodedCall(requests, None, pool()), Endpoint(Address("h", 1)), SchemaOptions(), Secrets()
    )
    assert command.command == ""
    assert "Loom knows none (reflection is off): give it the .proto files" in command.notes[0]


def test_without_a_message_that_fits_there_is_no_command_but_another_way() -> None:
    found = pool().FindMethodByName(f"{SERVICE}.Say")
    method = Method("/a.B/C", Kind.UNARY, found.input_type, found.output_type, Provenance("t", ""), pool())
    requests = [DecodedMessage(0, Direction.REQUEST, error="not a valid Thing")]
    command = grpcurl_command(
        ended(), DecodedCall(requests, method, pool()), LOCAL, SchemaOptions(), Secrets()
    )
    assert command.command == ""
    assert "fits the schema (not a valid Thing)" in command.notes[0]
    assert "replay the call in Loom" in command.notes[0]


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"ended_ns": None}, "still open"),
        ({"ended_by": EndedBy.CLIENT, "ended_ns": 1_230_000_000}, "client cancelled this call after 1.23 s"),
        ({"declared_kind": Kind.UNARY}, "sends an empty one"),
        ({"request_messages": 5}, "5 request messages are no longer held"),
        ({"deadline_ns": 50_000_000}, "raise it if the call times out"),
    ],
)
def test_what_grpcurl_does_otherwise_is_said(fields: dict[str, Any], note: str) -> None:
    assert any(note in item for item in written(ended(**fields)).notes)


@pytest.mark.parametrize(
    ("deadline_ns", "flag"),
    [
        (5_000_000_000, "-max-time 5 "),
        (1_250_000_000, "-max-time 1.25 "),
        (100_000_000_000, "-max-time 100 "),
        (-5, "-max-time 0.001 "),
    ],
)
def test_deadlines_in_seconds(deadline_ns: int, flag: str) -> None:
    assert flag in written(ended(deadline_ns=deadline_ns)).command


@pytest.mark.parametrize(
    ("deadline_ns", "flag"),
    [(None, "-max-time 3 "), (2_500_000_000, "-max-time 2.5 "), (9_000_000_000, "-max-time 3 ")],
)
def test_a_call_that_was_cancelled_is_given_up(deadline_ns: int | None, flag: str) -> None:
    call = ended(ended_by=EndedBy.CLIENT, ended_ns=1_230_000_000, deadline_ns=deadline_ns)
    assert flag in written(call).command


def test_a_deadline_of_a_lifetime_is_none() -> None:
    assert "-max-time" not in written(ended(deadline_ns=3 * 10**20)).command


def test_a_stand_in_for_the_default_secrets() -> None:
    call = ended(request_metadata=tuple((key, "secret-value") for key in DEFAULT_SECRETS))
    assert "secret-value" not in written(call).command


def test_json_escapes_what_does_not_print() -> None:
    assert json_text({"a": "\u202e\x9b🐈\U000e0001"}) == '{"a": "\\u202e\\u009b🐈\\udb40\\udc01"}'
