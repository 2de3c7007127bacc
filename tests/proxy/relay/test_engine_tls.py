"""TLS on either side of the relay, with and without client certificates."""

import asyncio
import ssl

import grpc
import grpc.aio
import pytest

from loom.errors import StartError
from loom.model import Address, EndedBy, StatusCode
from loom.proxy.engine import ServerTls, TargetTls
from loom.proxy.target import Target
from tests.support.certificates import Authority
from tests.support.raw_calls import unary_unary
from tests.support.sinks import ListSink
from tests.support.zoo import running_zoo

from .conftest import METADATA_LIMIT, running_relay


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


async def unary(channel: grpc.aio.Channel) -> bytes:
    return await unary_unary(channel, "/zoo.Zoo/Unary")(b"hello")


async def test_tls_on_the_listening_side(authority: Authority) -> None:
    pair = authority.issue("listener", "localhost", "127.0.0.1")
    tls = ServerTls(pair.cert, pair.key)
    async with (
        running_zoo() as zoo,
        running_relay(Address("127.0.0.1", zoo.port), ListSink(), server_tls=tls) as (engine, _),
    ):
        credentials = grpc.ssl_channel_credentials(authority.cert)
        async with grpc.aio.secure_channel(f"localhost:{engine.port}", credentials) as channel:
            assert await unary(channel) == b"hello"


async def test_mutual_tls_on_the_listening_side(authority: Authority) -> None:
    pair = authority.issue("strict", "localhost")
    client = authority.issue("client")
    tls = ServerTls(pair.cert, pair.key, authority.cert)
    async with (
        running_zoo() as zoo,
        running_relay(Address("127.0.0.1", zoo.port), ListSink(), server_tls=tls) as (engine, _),
    ):
        address = f"localhost:{engine.port}"
        credentials = grpc.ssl_channel_credentials(authority.cert, client.key, client.cert)
        async with grpc.aio.secure_channel(address, credentials) as channel:
            assert await unary(channel) == b"hello"
        async with grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(authority.cert)) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await unary(channel)
            assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_tls_and_a_client_certificate_towards_the_target(authority: Authority) -> None:
    pair, own = authority.issue("backend", "backend.test"), authority.issue("loom")
    credentials = grpc.ssl_server_credentials(
        [(pair.key, pair.cert)], authority.cert, require_client_auth=True
    )
    tls = TargetTls(authority.cert, own.cert, own.key, server_name="backend.test")
    async with (
        running_zoo(credentials=credentials) as zoo,
        running_relay(Address("127.0.0.1", zoo.port), ListSink(), tls=tls) as (engine, _),
        grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel,
    ):
        assert await unary(channel) == b"hello"


async def test_the_clients_authority_over_tls_must_be_a_name_of_the_certificate(authority: Authority) -> None:
    pair = authority.issue("backends", "backend.test", "shop.test")
    credentials = grpc.ssl_server_credentials([(pair.key, pair.cert)])
    tls = TargetTls(authority.cert, server_name="backend.test")
    sink = ListSink()
    async with (
        running_zoo(credentials=credentials) as zoo,
        running_relay(Address("127.0.0.1", zoo.port), sink, tls=tls) as (engine, _),
    ):
        for name in ("shop.test", "backend.test", "localhost"):
            options = [("grpc.default_authority", name)]
            async with grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}", options) as channel:
                assert await unary(channel) == b"hello"
        options = [("grpc.default_authority", "other.test")]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}", options) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await unary(channel)
        end = (await sink.ended(4))[-1]
    # As grpcio answers a direct client, but with the reason.
    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert str(raised.value.details()) == end.status.message
    assert end.status.message.startswith("the target's certificate does not name 'other.test'")
    assert (end.status.code, end.ended_by) == (StatusCode.UNAUTHENTICATED, EndedBy.LOOM)


async def test_a_target_with_a_certificate_for_another_name(authority: Authority) -> None:
    pair = authority.issue("other", "other.test")
    credentials = grpc.ssl_server_credentials([(pair.key, pair.cert)])
    sink = ListSink()
    async with (
        running_zoo(credentials=credentials) as zoo,
        running_relay(Address("127.0.0.1", zoo.port), sink, tls=TargetTls(authority.cert)) as (engine, _),
        grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await unary(channel)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "Loom could not reach the target" in str(raised.value.details())
    end = (await sink.ended())[0]
    assert (end.status.code, end.ended_by) == (StatusCode.UNAVAILABLE, EndedBy.LOOM)


async def start(tls: ServerTls) -> None:
    async with running_relay(Address("127.0.0.1", 1), ListSink(), server_tls=tls):
        pass


async def test_a_key_that_does_not_belong_to_its_certificate(authority: Authority) -> None:
    first, second = authority.issue("one"), authority.issue("another")
    with pytest.raises(StartError, match="--listen-key does not belong to --listen-cert"):
        await start(ServerTls(first.cert, second.key))
    with pytest.raises(StartError, match="--key does not belong to --cert"):
        Target(Address("127.0.0.1", 1), TargetTls(None, first.cert, second.key), None, METADATA_LIMIT)


async def test_files_without_a_certificate(authority: Authority) -> None:
    pair = authority.issue("fine")
    with pytest.raises(StartError, match="not a certificate and key in PEM form"):
        await start(ServerTls(b"nothing", pair.key))
    with pytest.raises(StartError, match="--listen-client-ca contains no certificate"):
        await start(ServerTls(pair.cert, pair.key, b"nothing"))
    with pytest.raises(StartError, match="--cacert contains no certificate"):
        Target(Address("127.0.0.1", 1), TargetTls(b"nothing"), None, METADATA_LIMIT)


async def test_a_client_certificate_needs_its_key(authority: Authority) -> None:
    pair = authority.issue("halved")
    with pytest.raises(StartError, match="--cert is given without --key"):
        Target(Address("127.0.0.1", 1), TargetTls(None, pair.cert), None, METADATA_LIMIT)


async def test_an_encrypted_key(authority: Authority) -> None:
    pair = authority.issue("secret")
    with pytest.raises(StartError, match="--listen-key is encrypted"):
        await start(ServerTls(pair.cert, pair.encrypted_key(b"zoo")))


async def test_a_target_without_alpn_names_the_wire_engine(authority: Authority) -> None:
    pair = authority.issue("no-alpn", "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert_file, pair.key_file)

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    tls = TargetTls(ca=authority.cert, server_name="localhost")
    async with (
        server,
        running_relay(Address("127.0.0.1", port), ListSink(), tls=tls) as (engine, _),
        grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await unary(channel)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "missing selected ALPN" in str(raised.value.details())
    assert "--engine wire" in str(raised.value.details())
