"""The grpcurl command, run through a shell by the real grpcurl: the backend receives what it received before."""

import asyncio
import gzip
import os
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format

from loom.api.replay import GrpcurlCommand
from loom.decoding.call_decoder import decode_call
from loom.grpcurl.command import SchemaOptions, grpcurl_command
from loom.model import CONNECTION_KEYS, MASK, Call, Direction, Endpoint, Message, Secrets
from loom.proxy.engine import TargetTls
from tests.support.bench import Bench, running_bench
from tests.support.certificates import Authority
from tests.support.mirror import Received, file_set, make, running_mirror, thing

SHELLS = ("sh", "bash")
NASTY = (
    'it\'s "quoted" $HOME `id` \\ back\\\\slash !! * ~ #; & | <> \r\n\ttab'
    "\n'EOF'\nEOF\n ünïcødé 猫 🐈 \u202e\u0000\u001b[31m\x7f"
)


async def run(command: str, shell: str = "sh", cwd: Path | None = None) -> tuple[int, str, str]:
    """Run a command in a shell that finds grpcurl beside this Python: exit code, output, complaints."""
    # As a user would paste it; what is too long for an argument is read from standard input instead.
    given = ("-c", command) if len(command) < 100_000 else ("-s",)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        shell, *given,
        env={**os.environ, "PATH": path}, cwd=cwd,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate(command.encode() if "-s" in given else b"")
    return process.returncode or 0, out.decode(), err.decode()


async def command_of(bench: Bench, call: Call, **options: Any) -> GrpcurlCommand:
    """The command of a recorded call, to be sent to the mirror itself."""
    decoding = await decode_call(bench.schema, call, Direction.REQUEST)
    endpoint = options.pop("endpoint", Endpoint(bench.target.address))
    descriptors = options.pop("descriptors", SchemaOptions())
    return grpcurl_command(call, decoding, endpoint, descriptors, Secrets(), **options)


def own(received: Received) -> list[tuple[str, str | bytes]]:
    """The metadata that the application set, by key; grpcurl keeps no order across keys."""
    return sorted(
        (item for item in received.metadata if item[0] not in CONNECTION_KEYS), key=lambda item: item[0]
    )


async def repeated(bench: Bench, call: Call, shell: str = "sh", **options: Any) -> tuple[Received, Received]:
    """What the mirror received of the call itself, and of its grpcurl command."""
    command = (await command_of(bench, call, **options)).command
    code, _, complaint = await run(command, shell)
    assert code == 0, f"{command}\n{complaint}"
    first, second = (item for item in bench.mirror.received if item.method == call.method)
    await second.ended.wait()
    return first, second


def kitchen_sink() -> bytes:
    """A Thing with every kind of field, maps of one entry so that the bytes have one order only."""
    packed = make("google.protobuf.Any", type_url="type.googleapis.com/mirror.v1.Part")
    packed.value = make("Part", name="in any", count=7).SerializeToString()
    free = make("google.protobuf.Struct")
    json_format.ParseDict({"list": [1, "two", None, {"deep": True}]}, free)
    return thing(
        text=NASTY, data=bytes(range(256)), big=-(2**63), huge=2**64 - 1, real=1e-320, small=3.4e38, flag=True,
        mood="MOOD_WILD", numbers=[-1, 0, 1], parts=[make("Part", name="a", count=1), make("Part")],
        named={"k\"ey'": make("Part", name="v")}, numbered={-5: "minus"}, right=make("Part", name="r"),
        when={"seconds": 1763923200, "nanos": 123456789}, lasting={"seconds": -3, "nanos": -500}, free=free,
        mask={"paths": ["a.b", "c"]}, any=packed, wrapped={"value": 0}, maybe=0,
        inner=make("Thing", real=float("-inf"), mood=17), zigzag=-7, fixed=1,
    )  # fmt: skip


@pytest.mark.parametrize("shell", SHELLS)
async def test_every_field_and_every_character_arrives_byte_for_byte(bench: Bench, shell: str) -> None:
    first, second = await repeated(bench, await bench.call("Say", [kitchen_sink()]), shell)
    assert second.messages == first.messages == [kitchen_sink()]


FLOAT_MAX = float.fromhex("0x1.fffffep+127")


@pytest.mark.parametrize("small", [FLOAT_MAX, -FLOAT_MAX, 2**-149, float("nan"), float("-inf")])
async def test_floats_at_their_limits(bench: Bench, small: float) -> None:
    first, second = await repeated(bench, await bench.call("Say", [thing(small=small)]))
    assert second.messages == first.messages


async def test_a_value_that_json_does_not_represent_is_sent_as_it_is_shown_and_named(bench: Bench) -> None:
    free = make("google.protobuf.Struct")
    free.fields["v"].number_value = float("nan")
    call = await bench.call("Say", [thing(text="a", free=free)])
    (note,) = (await command_of(bench, call)).notes
    assert "not represent all values exactly" in note
    assert "free.v (message 0)" in note
    free.fields["v"].string_value = "NaN"
    _, second = await repeated(bench, call)
    assert second.messages == [thing(text="a", free=free)]


async def test_a_timestamp_out_of_range_is_left_out_with_a_note(bench: Bench) -> None:
    call = await bench.call("Say", [thing(text="a", when={"seconds": 1_700_000_000_000})])
    (note,) = (await command_of(bench, call)).notes
    assert note == "a google.protobuf.Timestamp out of range is not sent: grpcurl cannot write one"
    _, second = await repeated(bench, call)
    assert second.messages == [thing(text="a")]


@pytest.mark.parametrize("paths", [["a,b"], ["fooBar"], ["a_1", "b"], [""]])
async def test_odd_paths_of_a_mask_arrive(bench: Bench, paths: list[str]) -> None:
    first, second = await repeated(bench, await bench.call("Say", [thing(mask={"paths": paths})]))
    assert second.messages == first.messages


@pytest.mark.parametrize("method", ["Say", "Spread", "Gather", "Chat"])
async def test_every_stream_type_is_repeated(bench: Bench, method: str) -> None:
    messages = [thing(text="only 'one'")]
    if method in {"Gather", "Chat"}:
        messages = [thing(text=f"{NASTY} {number}") for number in range(50)] + [b"", thing(flag=True)]
    first, second = await repeated(bench, await bench.call(method, messages))
    assert second.messages == first.messages == messages


async def test_an_empty_stream_and_an_empty_message_differ(bench: Bench) -> None:
    first, second = await repeated(bench, await bench.call("Gather", []))
    assert second.messages == first.messages == []
    first, second = await repeated(bench, await bench.call("Say", [b""]))
    assert second.messages == first.messages == [b""]


async def test_messages_whose_json_is_no_object(bench: Bench) -> None:
    text = make("google.protobuf.StringValue", value='it\'s\n"me"').SerializeToString()
    first, second = await repeated(bench, await bench.call("Wrap", [text]))
    assert second.messages == first.messages == [text]
    first, second = await repeated(bench, await bench.call("Touch", [b""]))
    assert second.messages == first.messages == [b""]


async def test_a_field_mask_in_an_any_and_a_mask_of_names_in_snake_case(bench: Bench) -> None:
    mask = make("google.protobuf.FieldMask", paths=["user_name", "a.b_c"])
    packed = make("google.protobuf.Any", type_url="type.googleapis.com/google.protobuf.FieldMask")
    packed.value = mask.SerializeToString()
    message = thing(any=packed, mask=mask, parts=[make("Part")], inner=make("Thing", mask=mask))
    first, second = await repeated(bench, await bench.call("Say", [message]))
    assert second.messages == first.messages == [message]


async def test_what_grpcurls_json_cannot_say_is_told(bench: Bench) -> None:
    message = thing(real=-0.0, any=make("google.protobuf.Any"), text="rest")
    call = await bench.call("Say", [message])
    notes = (await command_of(bench, call)).notes
    assert any("-0.0" in note for note in notes)
    assert any("empty google.protobuf.Any" in note for note in notes)
    _, second = await repeated(bench, call)
    assert second.messages == [thing(text="rest")]


async def test_an_any_of_unknown_type_is_left_out_and_told(bench: Bench) -> None:
    strange = make("google.protobuf.Any", type_url="type.googleapis.com/no.Such", value=b"x")
    call = await bench.call("Say", [thing(text="rest", any=strange)])
    assert any("no.Such is not sent" in note for note in (await command_of(bench, call)).notes)
    _, second = await repeated(bench, call)
    assert second.messages == [thing(text="rest")]


async def test_a_message_too_long_for_one_argument_goes_through_standard_input(bench: Bench) -> None:
    large = thing(text="x" * 3_000_000)
    first, second = await repeated(bench, await bench.call("Say", [large]))
    assert second.messages == first.messages == [large]


async def test_a_response_beyond_grpcurls_limit_is_let_in(bench: Bench) -> None:
    large = thing(text="x" * 5_000_000)
    call = await bench.call("Say", [large])
    assert "-max-msg-sz " in (await command_of(bench, call)).command
    first, second = await repeated(bench, call)
    assert second.messages == first.messages


async def test_metadata_repeats_text_and_binary_in_order(bench: Bench) -> None:
    metadata = (
        ("x-tenant", "42"), ("x-quote", "it's \"$HOME\" `id` \\ !! ${PATH}"), ("x-tenant", "again"), ("x-empty", ""),
        ("x-colon", "a: b:c"), ("trace-bin", bytes(range(256))), ("trace-bin", b""), ("one-bin", b"\xff"),
    )  # fmt: skip
    first, second = await repeated(bench, await bench.call("Say", [b""], metadata=metadata))
    assert own(second) == own(first) == sorted(metadata, key=lambda item: item[0])


async def test_secrets_are_masked_until_asked_for(bench: Bench) -> None:
    call = await bench.call("Say", [b""], metadata=[("authorization", "Bearer s3cr'et"), ("x-tenant", "42")])
    masked = await command_of(bench, call)
    assert "s3cr" not in masked.command
    assert f"-H 'authorization: {MASK}'" in masked.command
    assert any("authorization is masked" in note for note in masked.notes)
    first, second = await repeated(bench, call, reveal=True)
    assert own(second) == own(first)
    assert not (await command_of(bench, call, reveal=True)).notes


async def test_the_deadline_goes_along(bench: Bench) -> None:
    call = await bench.call("Say", [b""], timeout=40.0)
    first, second = await repeated(bench, call)
    assert first.remaining is not None
    assert second.remaining is not None
    assert 30 < second.remaining <= 41  # gRPC's clock drifts from this one


async def test_a_server_without_reflection_is_called_with_files(bench: Bench, tmp_path: Path) -> None:
    protoset = tmp_path / "it's a set.bin"
    protoset.write_bytes(file_set().SerializeToString())
    proto = Path(__file__).parent.parent / "fixtures" / "mirror.proto"
    for descriptors in (
        SchemaOptions(reflection=False, protosets=(protoset,)),
        SchemaOptions(reflection=False, protos=(Path(proto.name),), import_paths=(proto.parent,)),
    ):
        async with running_mirror(described=False) as mirror, running_bench(mirror) as undescribed:
            call = await undescribed.call("Chat", [thing(text="a"), thing(text="b")])
            undescribed.schema = bench.schema
            first, second = await repeated(undescribed, call, descriptors=descriptors)
            assert second.messages == first.messages


async def test_the_authority_that_loom_tells_the_target(bench: Bench) -> None:
    call = await bench.call("Say", [b""])
    command = await command_of(bench, call, endpoint=Endpoint(bench.target.address, authority="shop.example"))
    code, _, complaint = await run(command.command)
    assert code == 0, complaint
    assert "-authority shop.example" in command.command


async def test_compression_is_not_repeated_and_the_note_says_so(bench: Bench) -> None:
    call = await bench.call("Say", [thing(text="z" * 5000)], compression=grpc.Compression.Gzip)
    first, second = await repeated(bench, call)
    assert second.messages == first.messages
    message = Message(0, Direction.REQUEST, 0, 9, gzip.compress(b""), compressed=True, encoding="gzip")
    call.messages._items[0] = message
    notes = (await command_of(bench, call)).notes
    assert any("compressed its messages (gzip)" in note for note in notes)


async def test_unknown_fields_are_told_of(bench: Bench) -> None:
    call = await bench.call("Say", [thing(text="a") + b"\xa2\x06\x01x"])
    command = await command_of(bench, call)
    assert "fields that the schema does not know are not sent: message 0" in command.notes
    first, second = await repeated(bench, call)
    assert second.messages == [thing(text="a")] != first.messages


async def test_messages_that_do_not_decode_are_left_out_and_named(bench: Bench) -> None:
    call = await bench.call("Gather", [thing(text="a"), b"\xff", thing(text="b")])
    command = await command_of(bench, call)
    assert any(note.startswith("left out, because not decodable: message 1") for note in command.notes)
    first, second = await repeated(bench, call)
    assert second.messages == [first.messages[0], first.messages[2]]


async def test_tls_and_a_client_certificate_are_named_as_files(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    (tmp_path / "ca's.pem").write_bytes(authority.cert)
    server, client = authority.issue("shop.example"), authority.issue("client")
    credentials = grpc.ssl_server_credentials(
        [(server.key, server.cert)], authority.cert, require_client_auth=True
    )
    tls = TargetTls(authority.cert, client.cert, client.key, "shop.example")
    async with running_mirror(credentials=credentials) as mirror, running_bench(mirror, tls=tls) as bench:
        call = await bench.call("Say", [thing(text="secret")])
        endpoint = Endpoint(
            bench.target.address, tls=True, ca_file=str(tmp_path / "ca's.pem"),
            cert_file=str(client.cert_file), key_file=str(client.key_file), server_name="shop.example",
        )  # fmt: skip
        first, second = await repeated(bench, call, endpoint=endpoint)
        assert second.messages == first.messages == [thing(text="secret")]
