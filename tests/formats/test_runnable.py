"""The exports that run: the pytest file and the grpcurl script make the calls again."""

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from loom.decoding.stored_schema import StoredSchema
from loom.formats.destination import Destination
from loom.model import Address, Call, EndedBy, Endpoint, Status, StatusCode
from loom.model.projection import INTERRUPTED
from tests.support.bench import Bench, running_bench
from tests.support.certificates import Authority
from tests.support.exports import export
from tests.support.mirror import file_set, make, running_mirror, thing
from tests.support.session_files import stored_descriptors


async def run(*command: str, **variables: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return await process.wait(), output.decode()


async def run_tests(path: Path, **variables: str) -> tuple[int, str]:
    """Run the file in a process without the plugins of this suite."""
    options = ("-q", "-p", "no:cacheprovider", "-W", "error", "--rootdir", str(path.parent))
    variables["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    return await run(sys.executable, "-m", "pytest", *options, str(path), **variables)


async def test_the_pytest_file_passes_against_the_same_backend(
    bench: Bench, calls: list[Call], tmp_path: Path
) -> None:
    path = tmp_path / "test_recorded.py"
    path.write_bytes(export("pytest", calls, target=bench.mirror.address))
    before = len(bench.mirror.received)
    code, output = await run_tests(path, LOOM_METADATA_AUTHORIZATION="from the environment")
    assert code == 0, output
    assert "4 passed" in output
    again = bench.mirror.received[before:]
    assert [call.messages for call in again] == [call.messages for call in bench.mirror.received[:before]]
    assert ("authorization", "from the environment") in again[0].metadata
    assert ("t-bin", b"\x00\xff") in again[2].metadata
    assert "s3cret" not in path.read_text(encoding="utf-8")


async def test_the_pytest_file_fails_where_answers_differ(calls: list[Call], tmp_path: Path) -> None:
    path = tmp_path / "test_recorded.py"
    async with running_mirror(alter=lambda message: message + thing(zigzag=7)) as other:
        path.write_bytes(export("pytest", calls, target="localhost:1"))
        code, output = await run_tests(path, LOOM_TARGET=other.address)
        assert code == 1, output
        assert "4 failed" in output
        code, output = await run_tests(path, LOOM_TARGET=other.address, LOOM_IGNORE="zigzag")
        assert code == 0, output


@pytest.mark.parametrize(
    ("ignore", "code"),
    [
        ("inner.updated_at, inner.odd", 0),
        ("inner.updatedAt,inner.ts", 0),
        ("inner.updated_at", 1),
        ("updated_at,ts", 1),
    ],
)
async def test_the_pytest_file_takes_names_of_the_proto_file_and_of_json(
    bench: Bench, tmp_path: Path, ignore: str, code: int
) -> None:
    path = tmp_path / "test_recorded.py"
    newer = thing(inner=make("Thing", updated_at="now", odd=1))
    async with running_mirror(alter=lambda message: message + newer) as other:
        call = await bench.call("Say", [thing(text="a", inner=make("Thing"))])
        path.write_bytes(export("pytest", [call]))
        assert (await run_tests(path, LOOM_TARGET=other.address, LOOM_IGNORE=ignore))[0] == code


async def test_the_pytest_file_leaves_out_what_cannot_be_made_again(
    calls: list[Call], tmp_path: Path
) -> None:
    calls[0].ended_by = EndedBy.CLIENT
    next(iter(calls[1].messages)).data = None
    path = tmp_path / "test_recorded.py"
    path.write_bytes(export("pytest", calls))
    text = path.read_text(encoding="utf-8")
    assert "# Left out: call 1 /mirror.v1.Mirror/Say: its client ended it, not the backend." in text
    assert "# Left out: call 2 /mirror.v1.Mirror/Say: Loom no longer holds all its messages." in text
    compile(text, "test_recorded.py", "exec")


async def test_the_pytest_file_leaves_out_metadata_that_grpcio_does_not_send(
    bench: Bench, calls: list[Call], tmp_path: Path
) -> None:
    """The wire engine records them: clients in Go send UTF-8."""
    calls[0].request_metadata = (("x-name", "José"), ("x-tab", "a\tb"), ("Upper", "x"), ("x-last", "sent"))
    path = tmp_path / "test_recorded.py"
    path.write_bytes(export("pytest", calls, target=bench.mirror.address))
    before = len(bench.mirror.received)
    code, output = await run_tests(path)
    assert code == 0, output
    sent = bench.mirror.received[before].metadata
    assert ("x-last", "sent") in sent
    assert not {"x-name", "x-tab", "upper", "Upper"} & {key for key, _ in sent}
    text = path.read_text(encoding="utf-8")
    assert "# Metadata not forwarded, as gRPC allows only printable ASCII" in text
    assert ": x-name, x-tab, Upper" in text


async def test_the_pytest_file_takes_descriptors_as_reflection_gives_them(
    bench: Bench, calls: list[Call], tmp_path: Path
) -> None:
    """In any order, and without the well-known types."""
    files = [file for file in file_set().file if not file.name.startswith("google/protobuf/")]
    [kept] = files
    kept.dependency[:] = reversed(kept.dependency)
    odd = replace(stored_descriptors(), file_set=FileDescriptorSet(file=[kept]).SerializeToString())
    path = tmp_path / "test_recorded.py"
    path.write_bytes(export("pytest", calls, reveal=True, schema=StoredSchema([odd])))
    code, output = await run_tests(path)
    assert code == 0, output


async def test_the_pytest_file_compares_bytes_where_an_any_is_of_unknown_type(
    bench: Bench, tmp_path: Path
) -> None:
    strange = make("google.protobuf.Any", type_url="type.googleapis.com/no.Such", value=b"x")
    call = await bench.call("Say", [thing(text="a", any=strange)])
    path = tmp_path / "test_recorded.py"
    path.write_bytes(export("pytest", [call], target=bench.mirror.address))
    code, output = await run_tests(path)
    assert code == 0, output
    async with running_mirror(alter=lambda message: message + thing(zigzag=7)) as other:
        code, output = await run_tests(path, LOOM_TARGET=other.address)
    assert code == 1, output


async def run_script(path: Path, **variables: str) -> tuple[int, str]:
    binaries = str(Path(sys.executable).parent)
    return await run("sh", str(path), PATH=f"{binaries}{os.pathsep}{os.environ['PATH']}", **variables)


async def test_the_script_makes_the_calls_again(bench: Bench, calls: list[Call], tmp_path: Path) -> None:
    path = tmp_path / "calls.sh"
    path.write_bytes(export("grpcurl", calls, target=bench.mirror.address, reveal=True))
    before = len(bench.mirror.received)
    code, output = await run_script(path)
    again = [call for call in bench.mirror.received[before:] if "reflection" not in call.method]
    assert [call.messages for call in again] == [call.messages for call in bench.mirror.received[:before]], (
        output
    )
    assert code == 0, output  # one of them failed when it was recorded, and does so again
    assert "as asked" in output


async def test_the_script_counts_what_ends_otherwise_than_recorded(
    bench: Bench, calls: list[Call], tmp_path: Path
) -> None:
    first, second, third, fourth = calls
    first.status, second.status = Status(StatusCode.INTERNAL), Status(StatusCode.OK)
    third.note = INTERRUPTED
    fourth.ended_by, fourth.status = EndedBy.LOOM, Status(StatusCode.UNAVAILABLE)
    path = tmp_path / "calls.sh"
    path.write_bytes(export("grpcurl", calls, target=bench.mirror.address))
    code, output = await run_script(path)
    assert code == 2, output
    assert "# exit code 0; it was recorded with INTERNAL, which is exit code 77" in output
    assert "# exit code 69; it was recorded with OK, which is exit code 0" in output
    assert f"# Left out: call {third.id} " in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("described", [True, False], ids=["reflection", "no reflection"])
async def test_the_script_brings_its_schema_and_reaches_each_target(described: bool, tmp_path: Path) -> None:
    async with (
        running_mirror(described=described) as first, running_mirror(described=described) as second,
        running_bench(first) as one, running_bench(second) as other,
    ):  # fmt: skip
        calls = [await one.call("Say", [thing(text="a")]), await other.call("Say", [thing(text="b")])]
        schema = StoredSchema(
            [replace(stored_descriptors(), source="mirror.proto", origin="/a/mirror.proto")]
        )
        path = tmp_path / "calls.sh"
        path.write_bytes(export("grpcurl", calls, schema=schema))
        before = (len(first.received), len(second.received))
        code, output = await run_script(path)
        assert code == 0, output
        assert [call.messages for call in first.received[before[0] :]] == [[thing(text="a")]]
        assert [call.messages for call in second.received[before[1] :]] == [[thing(text="b")]]
        path = tmp_path / "test_recorded.py"
        path.write_bytes(export("pytest", calls, schema=schema))
        code, output = await run_tests(path)
        assert code == 0, output
        assert (len(first.received), len(second.received)) == (before[0] + 2, before[1] + 2)


async def test_an_any_of_another_set_goes_by_reflection_where_there_is_some(
    bench: Bench, tmp_path: Path
) -> None:
    held = make("google.protobuf.Any", type_url="type.googleapis.com/mirror.v1.Part", value=b"")
    call = await bench.call("Say", [thing(any=held)])
    path = tmp_path / "calls.sh"
    path.write_bytes(export("grpcurl", [call]))
    assert "-use-reflection" in path.read_text(encoding="utf-8")
    code, output = await run_script(path)
    assert code == 0, output


async def test_the_script_speaks_tls_as_loom_did_or_asks(
    bench: Bench, calls: list[Call], tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    server = authority.issue("server", "localhost")
    ca, path = tmp_path / "ca.pem", tmp_path / "calls.sh"
    ca.write_bytes(authority.cert)
    credentials = grpc.ssl_server_credentials([(server.key, server.cert)])
    async with running_mirror(described=False, credentials=credentials) as secure:
        endpoint = Endpoint(Address("localhost", secure.port), tls=True, ca_file=str(ca))
        destination = Destination(endpoint, override=True)
        path.write_bytes(export("grpcurl", calls, reveal=True, destination=destination))
        assert b"-plaintext" not in path.read_bytes()
        code, output = await run_script(path)
        assert code == 0, output
        # grpcurl takes seconds to give up on a certificate that it does not trust: one call is enough.
        path.write_bytes(export("grpcurl", calls[:1], reveal=True, target=f"localhost:{secure.port}"))
        assert (await run_script(path))[0] > 0
        path.write_bytes(export("grpcurl", calls, reveal=True, target=f"localhost:{secure.port}"))
        code, output = await run_script(path, TLS=f"-cacert {ca}")
        assert code == 0, output
        path = tmp_path / "test_recorded.py"
        path.write_bytes(export("pytest", calls, destination=destination))
        code, output = await run_tests(path)
        assert code == 0, output
        path.write_bytes(export("pytest", calls, target=f"localhost:{secure.port}"))
        code, output = await run_tests(path, LOOM_TLS="1", GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=str(ca))
        assert code == 0, output
    assert b'"url":"https://' in export("har", calls, destination=destination)
    assert b'"url":"http://' in export("har", calls)


async def test_the_script_gives_up_what_its_client_had_cancelled(bench: Bench, tmp_path: Path) -> None:
    call = await bench.call("Say", [thing(text="a")], metadata=(("mirror-hang", "1"),), timeout=0.1)
    call.ended_by, call.status, call.deadline_ns = EndedBy.CLIENT, Status(StatusCode.CANCELLED), None
    path = tmp_path / "calls.sh"
    path.write_bytes(export("grpcurl", [call], target=bench.mirror.address))
    assert "-max-time 2 " in path.read_text(encoding="utf-8")
    code, output = await run_script(path)
    assert code == 0, output


@pytest.mark.parametrize("kind", ["grpcurl", "pytest", "har", "grpc-dump", "ndjson", "bundle"])
async def test_secrets_stay_at_home(kind: str, calls: list[Call]) -> None:
    assert b"s3cret" not in export(kind, calls)


async def test_the_pytest_file_has_the_client_certificate_and_the_server_name(
    calls: list[Call], tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    server, client = authority.issue("server", "shop.example"), authority.issue("client", "client")
    ca, path = tmp_path / "ca's.pem", tmp_path / "test_recorded.py"
    ca.write_bytes(authority.cert)
    credentials = grpc.ssl_server_credentials(
        [(server.key, server.cert)], authority.cert, require_client_auth=True
    )
    async with running_mirror(described=False, credentials=credentials) as secure:
        endpoint = Endpoint(
            Address("127.0.0.1", secure.port), tls=True, ca_file=str(ca), cert_file=str(client.cert_file),
            key_file=str(client.key_file), server_name="shop.example",
        )  # fmt: skip
        path.write_bytes(export("pytest", calls, destination=Destination(endpoint, override=True)))
        code, output = await run_tests(path)
        assert code == 0, output
        assert (await run_tests(path, LOOM_SERVER_NAME="other.example"))[0] == 1


@pytest.mark.parametrize("kind", ["pytest", "grpcurl"])
async def test_proxies_of_the_environment_are_ignored(
    bench: Bench, calls: list[Call], tmp_path: Path, kind: str
) -> None:
    path = tmp_path / ("test_recorded.py" if kind == "pytest" else "calls.sh")
    path.write_bytes(export(kind, calls, target=bench.mirror.address, reveal=True))
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "grpc_proxy", "HTTPS_PROXY"), "http://127.0.0.1:1")
    proxies |= {"no_proxy": "", "NO_PROXY": "", "TLS": "0"}
    code, output = await (run_tests if kind == "pytest" else run_script)(path, **proxies)
    assert code == 0, output


async def test_the_pytest_file_takes_large_trailers(bench: Bench, tmp_path: Path) -> None:
    """More than gRPC's default of 8 KiB, and the 16 KiB of its hard limit."""
    call = await bench.call("Say", [thing(text="a")], metadata=(("mirror-trailer", str(20_000)),))
    assert sum(len(value) for _, value in call.trailing_metadata or ()) > 20_000
    path = tmp_path / "test_recorded.py"
    path.write_bytes(export("pytest", [call], target=bench.mirror.address))
    code, output = await run_tests(path)
    assert code == 0, output
