"""Which authorities a client has set itself, and which only name the address at which it reached Loom."""

import pytest

from loom.model import Address, Endpoint
from loom.model.authority import client_authority

PORT = 9999


@pytest.mark.parametrize(
    "authority",
    [
        "", "localhost:9999", "localhost", "LOCALHOST:80", "localhost.:80", "app.localhost", "127.0.0.1:8080",
        "127.1.2.3", "[::1]:1", "0.0.0.0:1", "loom:9999", "loom.internal:9999", "192.0.2.1:9999", "[2001:db8::1]:9999",
        "user@loom:9999", "[::1", "a:b:c", "shop\n", "größe.example",
    ],
)  # fmt: skip
def test_one_that_names_loom_is_not_the_clients(authority: str) -> None:
    assert client_authority(authority, (PORT,)) == ""


@pytest.mark.parametrize(
    "authority",
    [
        "shop.example",
        "shop.example:443",
        "orders:50051",
        "192.0.2.1",
        "[2001:db8::1]:80",
        "spiffe-id",
        "localhost2",
    ],
)
def test_one_that_names_something_else_is_the_clients(authority: str) -> None:
    assert client_authority(authority, (PORT, 9997)) == authority


def test_an_endpoints_own_authority_wins() -> None:
    address = Address("orders", 50051)
    assert Endpoint(address).with_client_authority("shop.example", (PORT,)).authority == "shop.example"
    assert Endpoint(address).with_client_authority("loom:9999", (PORT,)).authority == ""
    fixed = Endpoint(address, authority="fixed")
    assert fixed.with_client_authority("shop.example", (PORT,)) == fixed
