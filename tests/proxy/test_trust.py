"""Which certificates a target is verified with: the variables of OpenSSL, Go and gRPC, for both engines."""

import asyncio
import contextlib
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import trustme

from loom.errors import StartError
from loom.model import Address, CallIds
from loom.proxy.dialer import Dialer
from loom.proxy.engine import Engine, TargetTls
from loom.proxy.relay import RelayEngine
from loom.proxy.target import Target
from loom.proxy.trust import root_certificates
from loom.proxy.wire import WireEngine
from tests.support.certificates import Authority
from tests.support.engines import ENGINES, METADATA_LIMIT
from tests.support.sinks import ListSink
from tests.support.zoo import SERVICE, Zoo, running_zoo

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")
every_engine = pytest.mark.parametrize("engine", ENGINES)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def authority_file(authority: Authority, tmp_path: Path) -> Path:
    directory = tmp_path / "certificates"
    directory.mkdir()
    file = directory / "0a1b2c3d.0"
    file.write_bytes(authority.cert)
    return file


@asynccontextmanager
async def tls_zoo(cert: bytes, key: bytes) -> AsyncIterator[Zoo]:
    async with running_zoo(credentials=grpc.ssl_server_credentials([(key, cert)])) as zoo:
        yield zoo


@asynccontextmanager
async def running(name: str, address: Address, tls: TargetTls) -> AsyncIterator[tuple[Engine, Target]]:
    """The engine of that name, with the target that it is connected to."""
    target = Target(address, tls, None, METADATA_LIMIT)
    listen = Address("127.0.0.1", 0)
    engine: Engine
    if name == "wire":
        engine = WireEngine(
            listen, address, ListSink(), CallIds(), server_tls=None, target_tls=tls, dialer=target.dialer
        )
    else:
        engine = RelayEngine(
            listen, target, ListSink(), CallIds(), server_tls=None, metadata_limit=METADATA_LIMIT
        )
    await engine.start()
    try:
        yield engine, target
    finally:
        await engine.stop(0)
        await target.close()


async def unary(channel: Any, message: bytes) -> bytes:
    return bytes(await channel.unary_unary(SERVICE + "Unary")(message, timeout=20))


async def call(engine: Engine) -> bytes | str:
    """Call through the engine; the answer, or the details of the error."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel:
        try:
            return await unary(channel, b"hello")
        except grpc.aio.AioRpcError as error:
            return str(error.details())


@every_engine
@pytest.mark.parametrize("variable", VARIABLES)
async def test_each_variable_is_honoured_by_both_engines(
    engine: str, variable: str, authority: Authority, authority_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = authority.issue("localhost")
    async with tls_zoo(pair.cert, pair.key) as zoo:
        address = Address("localhost", zoo.port)
        async with running(engine, address, TargetTls()) as (distrusting, target):
            assert await call(distrusting) != b"hello"
            assert target.state != "ready"
        named = authority_file.parent if variable == "SSL_CERT_DIR" else authority_file
        monkeypatch.setenv(variable, str(named))
        async with running(engine, address, TargetTls()) as (trusting, target):
            assert await call(trusting) == b"hello"
            channel = target.own_channel()  # reflection's
            assert await unary(channel, b"own") == b"own"


@every_engine
async def test_a_servers_own_certificate_can_be_the_root(engine: str, authority: Authority) -> None:
    pair = authority.issue("pinned", "localhost")
    async with tls_zoo(pair.cert, pair.key) as zoo:
        tls = TargetTls(ca=pair.cert)
        async with running(engine, Address("localhost", zoo.port), tls) as (pinned, _):
            assert await call(pinned) == b"hello"


def test_the_precedence(authority: Authority, authority_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = root_certificates(None)
    assert b"BEGIN CERTIFICATE" in system
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_file))
    assert authority.cert.strip() in root_certificates(None)
    other = Authority(authority_file.parent)
    grpc_roots = authority_file.with_name("grpc.pem")
    grpc_roots.write_bytes(other.cert)
    monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", str(grpc_roots))
    assert root_certificates(None) == other.cert
    assert root_certificates(b"given") == b"given"


def test_a_machine_without_roots_has_grpcios(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        ssl,
        "get_default_verify_paths",
        lambda: ssl.DefaultVerifyPaths("", str(tmp_path), "", "", "", ""),
    )
    assert root_certificates(None).count(b"BEGIN CERTIFICATE") > 50


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"])
async def test_a_variable_that_names_no_certificates(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "none.pem"))
    with pytest.raises(StartError, match=rf"^{variable} .*none\.pem: No such file"):
        Target(Address("localhost", 1), TargetTls(), None, METADATA_LIMIT)
    (tmp_path / "none.pem").write_text("nothing")
    with pytest.raises(StartError, match=rf"^{variable} .*contains no certificate"):
        Target(Address("localhost", 1), TargetTls(), None, METADATA_LIMIT)


def unverifiable(reason: str) -> tuple[bytes, bytes]:
    """A certificate and key that do not verify for localhost."""
    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=30)
    expired: dict[str, Any] = {"not_before": past, "not_after": past + dt.timedelta(days=1)}
    issued = trustme.CA().issue_cert(
        "elsewhere.test" if reason == "another name" else "localhost",
        **(expired if reason == "expired" else {}),
    )
    return issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()


@every_engine
@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("unknown authority", "pass the authority with --cacert"),
        ("another name", "name the certificate's host with --server-name"),
        ("expired", "renew it"),
    ],
)
async def test_what_does_not_verify_is_taken_with_insecure_only(
    engine: str, reason: str, advice: str
) -> None:
    cert, key = unverifiable(reason)
    trusted = None if reason == "unknown authority" else cert
    async with tls_zoo(cert, key) as zoo:
        address = Address("localhost", zoo.port)
        async with running(engine, address, TargetTls(trusted)) as (verifying, target):
            assert await call(verifying) != b"hello"
            assert target.state != "ready"
            assert target.error.endswith(f": {advice}, or skip verification with --insecure")
        async with running(engine, address, TargetTls(trusted, insecure=True)) as (insecure, target):
            assert await call(insecure) == b"hello"
            assert target.state == "ready"
            channel = target.own_channel()
            assert await unary(channel, b"own") == b"own"


async def test_an_insecure_relay_forwards_streams() -> None:
    cert, key = unverifiable("unknown authority")
    async with tls_zoo(cert, key) as zoo:
        address = Address("localhost", zoo.port)
        async with (
            running("relay", address, TargetTls(insecure=True)) as (engine, _),
            grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel,
        ):
            stream: Any = channel.stream_stream(SERVICE + "Echo")()
            for size in (0, 1, 100_000, 3_000_000):
                await stream.write(bytes(size))
                assert await stream.read() == bytes(size)
            await stream.done_writing()
            assert await stream.code() is grpc.StatusCode.OK


async def test_an_insecure_relay_gives_the_reason_for_a_target_that_is_down() -> None:
    async with running("relay", Address("127.0.0.1", 1), TargetTls(insecure=True)) as (engine, target):
        assert await call(engine) == "Loom could not reach the target 127.0.0.1:1: Connection refused"
        assert target.state == "down"
        assert target.error == "Loom could not reach the target 127.0.0.1:1: Connection refused"


async def test_a_dialer_verifies_at_each_attempt() -> None:
    cert, key = unverifiable("unknown authority")
    async with tls_zoo(cert, key) as zoo:
        dialer = Dialer(Address("localhost", zoo.port), TargetTls())
        with pytest.raises(OSError, match="certificate verify failed"):
            await dialer.connect(asyncio.Protocol, "h2")
        assert dialer.state == "down"
        with contextlib.suppress(OSError):
            await dialer.connect(asyncio.Protocol, "h2")
        assert "certificate verify failed" in dialer.error
