"""A shop as a server and its smallest client, for the examples of docs/how-to/testing.md."""

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from grpc_reflection.v1alpha import reflection

from tests.support.schemas import compiled, message_class, pool_of

__all__ = ["read_prices", "shop_at", "show_order"]

_PROTO = """
syntax = "proto3";
package acme.shop.v1;
message GetOrderRequest { string id = 1; }
message Order { string id = 1; }
message SubscribeRequest {}
message Price { int32 price = 1; }
service Shop {
  rpc GetOrder(GetOrderRequest) returns (Order);
  rpc Subscribe(SubscribeRequest) returns (stream Price);
}
"""
_SHOP = "acme.shop.v1.Shop"
_ORDER = b"\x0a\x04o-17"


def shop_at(address: str) -> grpc.Channel:
    """The client under test, connected to an address."""
    return grpc.insecure_channel(address)


def show_order(shop: grpc.Channel, number: str) -> None:
    """The code under test."""
    call: Any = shop.unary_unary(f"/{_SHOP}/GetOrder")
    with shop:
        call(b"\x0a" + bytes([len(number)]) + number.encode(), metadata=[("x-tenant", "42")], timeout=5)


async def read_prices(address: str, count: int) -> None:
    """The code under test: read some prices, then cancel."""
    async with grpc.aio.insecure_channel(address) as shop:
        method: Any = shop.unary_stream(f"/{_SHOP}/Subscribe")
        call = method(b"")
        for _ in range(count):
            await call.read()
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
            await call.code()


@contextlib.contextmanager
def running_shop() -> Iterator[str]:
    """The shop, with reflection; yields its address. A subscription sends three prices and stays open."""
    with tempfile.TemporaryDirectory() as folder:
        pool = pool_of(compiled(Path(folder), shop=_PROTO))
    price = message_class(pool, "acme.shop.v1.Price")

    def get_order(_request: bytes, _context: grpc.ServicerContext) -> bytes:
        return _ORDER

    def subscribe(_request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        ended = futures.Future[None]()
        context.add_callback(lambda: ended.set_result(None))
        for number in (1, 2, 3):
            yield price(price=number).SerializeToString()
        ended.result()

    server = grpc.server(futures.ThreadPoolExecutor(8))
    methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "GetOrder": grpc.unary_unary_rpc_method_handler(get_order),
        "Subscribe": grpc.unary_stream_rpc_method_handler(subscribe),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SHOP, methods),))
    reflection.enable_server_reflection((_SHOP, reflection.SERVICE_NAME), server, pool=pool)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()
