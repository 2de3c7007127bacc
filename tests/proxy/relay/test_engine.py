"""The relay's listening addresses, start and stop."""

import asyncio
import socket
import threading

import grpc
import grpc.aio
import pytest

from loom.errors import StartError
from loom.model import Address, CallStarted, EndedBy, StatusCode
from tests.support.raw_calls import unary_unary
from tests.support.sinks import ListSink
from tests.support.zoo import SERVICE, Zoo

from .conftest import Relay, running_relay


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", "ipv4"), ("[::1]", "ipv6")])
async def test_localhost_is_both_loopback_addresses(zoo: Zoo, host: str, family: str) -> None:
    target = Address("127.0.0.1", zoo.port)
    sink = ListSink()
    async with (
        running_relay(target, sink, listen=Address("localhost", 0)) as (engine, _),
        grpc.aio.insecure_channel(f"{host}:{engine.port}") as channel,
    ):
        assert await unary_unary(channel, SERVICE + "Unary")(b"x") == b"x"
    (started,) = sink.of(CallStarted)
    assert started.peer.startswith(f"{family}:{host}:")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_port_in_use(host: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as occupier:
        occupier.bind((host, 0))
        occupier.listen()
        port = occupier.getsockname()[1]
        with pytest.raises(StartError, match=rf"cannot listen on .*:{port} .*the port is in use") as raised:
            async with running_relay(Address("127.0.0.1", 1), ListSink(), listen=Address("localhost", port)):
                pass
        assert "\n" not in str(raised.value)


async def test_a_port_in_use_by_another_relay(zoo: Zoo) -> None:
    target = Address("127.0.0.1", zoo.port)
    async with running_relay(target, ListSink()) as (engine, _):
        with pytest.raises(StartError, match="the port is in use"):
            async with running_relay(target, ListSink(), listen=Address("127.0.0.1", engine.port)):
                pass


async def test_a_name_that_does_not_resolve() -> None:
    with pytest.raises(StartError, match=r"'no-such-host\.invalid' cannot be resolved"):
        async with running_relay(
            Address("127.0.0.1", 1), ListSink(), listen=Address("no-such-host.invalid", 0)
        ):
            pass


async def test_an_address_of_another_machine() -> None:
    with pytest.raises(StartError, match="no interface of this machine has that address"):
        async with running_relay(Address("127.0.0.1", 1), ListSink(), listen=Address("192.0.2.1", 0)):
            pass


async def test_calls_can_finish_within_the_grace_period(relay: Relay) -> None:
    call = relay.call("Echo")
    await call.write(b"x")
    assert await call.read() == b"x"
    stopping = asyncio.ensure_future(relay.engine.stop(10))
    await call.write(b"y")
    assert await call.read() == b"y"
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    await stopping
    assert (await relay.sink.ended())[0].status.code == StatusCode.OK


async def test_calls_are_cancelled_after_the_grace_period(relay: Relay) -> None:
    call = relay.call("Hang")
    upstream = await relay.zoo.call()
    await relay.engine.stop(0.1)
    assert await call.code() is grpc.StatusCode.UNAVAILABLE
    await upstream.cancelled.wait()
    end = (await relay.sink.ended())[0]
    assert end.ended_by is EndedBy.LOOM
    assert "Loom was stopped" in end.note


async def test_a_stop_waits_for_callbacks_that_still_run(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a callback may start a batch: after the server's queue is shut down C-core would abort the process."""
    under_way, go_on = threading.Event(), threading.Event()

    def block() -> None:
        under_way.set()
        assert go_on.wait(30)

    monkeypatch.setattr(relay.target, "record_success", block)
    call = relay.call("Hang")
    assert await asyncio.to_thread(under_way.wait, 30)
    call.cancel()
    stop = asyncio.ensure_future(relay.engine.stop(0))
    done, _ = await asyncio.wait([stop], timeout=0.3)
    go_on.set()
    await stop
    assert not done
    assert (await relay.sink.ended())[0].status.code == StatusCode.UNAVAILABLE
