"""Faults and rules in tests: they act within a with, sync and async, and count what they hit."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio
import msgspec
import pytest

from loom.errors import LoomError
from loom.interception.rule_file import FaultTable, RuleTable
from loom.testing import AsyncLoomProxy, FaultOptions, LoomProxy, RuleOptions
from tests.support.mirror import SERVICE, Mirror, running_mirror, thing
from tests.support.raw_calls import unary_unary


@pytest.fixture
async def mirror() -> AsyncIterator[Mirror]:
    async with running_mirror() as running:
        yield running


async def say(address: str, text: str = "x") -> tuple[grpc.StatusCode, bytes]:
    async with grpc.aio.insecure_channel(address) as channel:
        try:
            return grpc.StatusCode.OK, await unary_unary(channel, f"/{SERVICE}/Say")(thing(text=text))
        except grpc.aio.AioRpcError as error:
            return error.code(), b""


async def test_a_fault_acts_within_its_block_and_counts(mirror: Mirror) -> None:
    async with AsyncLoomProxy(mirror.address) as proxy:
        with proxy.fault("method:Say", status="UNAVAILABLE", times=2) as fault:
            codes = [(await say(proxy.address))[0].name for _ in range(3)]
        assert codes == ["UNAVAILABLE", "UNAVAILABLE", "OK"]
        assert (fault.matched, fault.hits, fault.failures, fault.last_error) == (3, 2, 0, "")
        assert await say(proxy.address) == (grpc.StatusCode.OK, thing(text="x"))
        assert fault.hits == 2
        assert (await proxy.wait_for_call(f'fault:"{fault.name}"')).status == "UNAVAILABLE"


async def test_a_rule_edits_within_its_block(mirror: Mirror) -> None:
    async with AsyncLoomProxy(mirror.address) as proxy:
        edit = {"set": "text", "to": "edited"}
        with proxy.rule("method:Say", edit, when={"point": "response-message"}, name="edit") as rule:
            assert (await say(proxy.address))[1] == thing(text="edited")
        assert (rule.name, rule.hits) == ("edit", 1)
        assert (await say(proxy.address))[1] == thing(text="x")


async def test_a_block_that_fails_leaves_nothing_behind(mirror: Mirror) -> None:
    async with AsyncLoomProxy(mirror.address) as proxy:
        with pytest.raises(ZeroDivisionError), proxy.fault("", hang=True):
            raise ZeroDivisionError
        assert (await say(proxy.address))[0] is grpc.StatusCode.OK


async def test_faults_nest_and_the_first_that_was_entered_decides(mirror: Mirror) -> None:
    async with AsyncLoomProxy(mirror.address) as proxy:
        outer, inner = (proxy.fault("method:Say", status=code) for code in ("ABORTED", "INTERNAL"))
        with outer, inner:
            assert outer.name != inner.name
            assert (await say(proxy.address))[0] is grpc.StatusCode.ABORTED
        with inner:
            assert (await say(proxy.address))[0] is grpc.StatusCode.INTERNAL


async def test_what_is_not_valid_is_refused_where_it_is_written(mirror: Mirror) -> None:
    async with AsyncLoomProxy(mirror.address) as proxy:
        with pytest.raises(LoomError, match="unknown status 'NO_SUCH'"):
            proxy.fault("method:Say", status="NO_SUCH")
        with pytest.raises(LoomError, match="unknown key 'stauts'"):
            proxy.fault("method:Say", stauts="ABORTED")  # type: ignore[call-arg]  # that is what is tested
        with pytest.raises(LoomError, match="do: it has no action"):
            proxy.rule("method:Say")
    async with AsyncLoomProxy(mirror.address, engine="wire") as proxy:
        with pytest.raises(LoomError, match="a fault needs the relay engine"):
            proxy.fault("", status="ABORTED")


def test_the_proxy_without_an_event_loop_has_the_same() -> None:
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((_Echo(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with LoomProxy(f"127.0.0.1:{port}") as proxy, grpc.insecure_channel(proxy.address) as channel:
            call: Any = channel.unary_unary("/s.S/Say")
            with (
                proxy.fault("method:Say", status="RESOURCE_EXHAUSTED", max_active=3, for_="1h") as fault,
                pytest.raises(grpc.RpcError, match="RESOURCE_EXHAUSTED"),
            ):
                call(b"x")
            with proxy.rule("method:Say", {"duplicate": 2}, when={"point": "request-message", "index": 5}):
                assert call(b"x") == b"x"
            assert fault.hits == 1
            assert "acted on 1" in repr(fault)
    finally:
        server.stop(None).wait()


def test_the_keyword_arguments_are_the_keys_of_a_file() -> None:
    for options, table, others in ((FaultOptions, FaultTable, set()), (RuleOptions, RuleTable, {"do"})):
        keys = {field.name for field in msgspec.structs.fields(table)} - {"match", "enabled"} - others
        assert options.__annotations__.keys() == keys


class _Echo(grpc.GenericRpcHandler):
    def service(self, handler_call_details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(lambda request, _context: request)
