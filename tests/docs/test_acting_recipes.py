"""The recipes of rules and faults do what they are for, in front of the shop and one client of it."""

import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from loom.model import Address
from loom.runtime.loom import Loom
from loom.runtime.settings import Settings
from tests.docs.shop import running_shop
from tests.support.loom_process import ROOT

FAULTS = (ROOT / "docs" / "how-to" / "faults.md").read_text(encoding="utf-8")
RULES = (ROOT / "docs" / "how-to" / "rules.md").read_text(encoding="utf-8")
FAULT_RECIPES = re.findall(r"^\| (.+) \| `--fault '([^']+)'` \|$", FAULTS, re.MULTILINE)
RULE_RECIPES = re.findall(r"<!-- recipe -->\n```toml\n(.*?)```", RULES, re.DOTALL)
ORDER = b"\x0a\x04o-17"
PRICES = [b"\x08\x01", b"\x08\x02", b"\x08\x03"]
TENANT = (("x-tenant", "42"),)
TIMEOUT = 20.0  # seconds, for what does not depend on it


@dataclass
class Answer:
    """What the client got."""

    messages: list[bytes]
    code: grpc.StatusCode
    details: str
    trailers: dict[str, str | bytes]


class Client:
    """Calls the shop through Loom."""

    def __init__(self, channel: grpc.aio.Channel, loom: Loom) -> None:
        self._channel = channel
        self.loom = loom

    async def get_order(self, timeout: float = TIMEOUT) -> Answer:  # noqa: ASYNC109 (the call's deadline)
        method: Any = self._channel.unary_unary("/acme.shop.v1.Shop/GetOrder")
        call = method(ORDER, timeout=timeout)
        messages = []
        with contextlib.suppress(grpc.aio.AioRpcError):
            messages.append(await call)
        return await answer(call, messages)

    async def read_prices(self) -> Answer:
        """Three prices, unless the stream ends before; then the stream is cancelled."""
        method: Any = self._channel.unary_stream("/acme.shop.v1.Shop/Subscribe")
        call = method(b"", metadata=TENANT, timeout=TIMEOUT)
        messages = []
        with contextlib.suppress(grpc.aio.AioRpcError):
            for _ in PRICES:
                messages.append(await call.read())  # noqa: PERF401 (what came before an error counts)
            call.cancel()
        return await answer(call, messages)


async def answer(call: Any, messages: list[bytes]) -> Answer:
    code = await call.code()
    return Answer(messages, code, await call.details() or "", dict(await call.trailing_metadata() or ()))


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    with running_shop() as address:
        yield address


@asynccontextmanager
async def client_of(shop: str, **settings: Any) -> AsyncIterator[Client]:
    any_port = Address("127.0.0.1", 0)
    loom = Loom(
        Settings(target=Address.parse(shop), listen=any_port, ui=None, session=None, fault_seed=7, **settings)
    )
    await loom.start()
    try:
        async with grpc.aio.insecure_channel(str(loom.listen_address)) as channel:
            yield Client(channel, loom)
    finally:
        await loom.stop(0)


async def slow(client: Client) -> None:
    got = await client.get_order(timeout=0.2)
    assert (got.code, got.messages) == (grpc.StatusCode.DEADLINE_EXCEEDED, [])
    assert (await client.get_order()).messages == [ORDER]


async def silent(client: Client) -> None:
    assert (await client.get_order(timeout=0.3)).code is grpc.StatusCode.DEADLINE_EXCEEDED


async def flaky(client: Client) -> None:
    codes = [(await client.get_order()).code for _ in range(50)]
    assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
    assert 3 < codes.count(grpc.StatusCode.UNAVAILABLE) < 18


async def back_at_the_third(client: Client) -> None:
    codes = [(await client.get_order()).code.name for _ in range(3)]
    assert codes == ["UNAVAILABLE", "UNAVAILABLE", "OK"]


async def token_expired(client: Client) -> None:
    got = await client.get_order()
    assert (got.code, got.details) == (grpc.StatusCode.UNAUTHENTICATED, "token expired")
    assert (await client.get_order()).messages == [ORDER]


async def stream_broken(client: Client) -> None:
    got = await client.read_prices()
    assert (got.messages, got.code) == (PRICES[:2], grpc.StatusCode.INTERNAL)


async def malformed(client: Client) -> None:
    assert (await client.get_order()).messages == [b"\xff" * len(ORDER)]


async def too_large(client: Client) -> None:
    assert (await client.get_order()).code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def throttled(client: Client) -> None:
    assert (await client.read_prices()).messages == PRICES
    assert client.loom.interceptor is not None
    assert client.loom.interceptor.rules.active[0].state.selected == 1  # messages this small need no wait


FAULT_CHECKS: dict[str, Callable[[Client], Awaitable[None]]] = {
    "a slow backend": slow,
    "a backend that never answers": silent,
    "a flaky backend": flaky,
    "a backend that is back at the third attempt": back_at_the_third,
    "an expired token": token_expired,
    "a stream that breaks": stream_broken,
    "a malformed answer": malformed,
    "an answer that is too large": too_large,
    "a slow link": throttled,
}


@pytest.mark.parametrize(("name", "fault"), FAULT_RECIPES)
async def test_a_recipe_of_faults_does_what_it_is_for(name: str, fault: str, shop: str) -> None:
    async with client_of(shop, fault=(fault,)) as client:
        await FAULT_CHECKS[name](client)


async def without_id(client: Client) -> None:
    assert (await client.get_order()).messages == [b""]


async def old_token(client: Client) -> None:
    assert (await client.get_order()).messages == [ORDER]
    await client.loom.stop(0)
    [call] = client.loom.history
    assert ("authorization", "Bearer expired") in call.request_metadata


async def price_jumps(client: Client) -> None:
    assert (await client.read_prices()).messages == [PRICES[0], b"\x08\xc0\x84\x3d", PRICES[2]]


async def maintenance(client: Client) -> None:
    got = await client.get_order()
    assert (got.code, got.details) == (grpc.StatusCode.UNAVAILABLE, "back at noon")
    assert got.trailers["retry-after"] == "3600"


RULE_CHECKS: dict[str, Callable[[Client], Awaitable[None]]] = {
    "an order without its id": without_id,
    "an old token": old_token,
    "a price that jumps": price_jumps,
    "say that it is maintenance": maintenance,
}


@pytest.mark.parametrize("text", RULE_RECIPES)
async def test_a_recipe_of_rules_does_what_it_is_for(text: str, shop: str, tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text, encoding="utf-8")
    [name] = re.findall(r'name = "(.*)"', text)
    async with client_of(shop, rules=(path,)) as client:
        await RULE_CHECKS[name](client)


def test_every_recipe_has_a_check() -> None:
    assert [name for name, _ in FAULT_RECIPES] == list(FAULT_CHECKS)
    assert re.findall(r'name = "(.*)"', "".join(RULE_RECIPES)) == list(RULE_CHECKS)
