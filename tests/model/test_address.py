import pytest

from loom.errors import ConfigError
from loom.model import Address


@pytest.mark.parametrize(
    ("text", "host", "port", "shown"),
    [
        ("localhost:50051", "localhost", 50051, "localhost:50051"),
        ("[::1]:80", "::1", 80, "[::1]:80"),
        ("10.1.2.3:0", "10.1.2.3", 0, "10.1.2.3:0"),
        (" api.acme.test:443 ", "api.acme.test", 443, "api.acme.test:443"),
    ],
)
def test_reads_what_people_write(text: str, host: str, port: int, shown: str) -> None:
    address = Address.parse(text)
    assert (address.host, address.port) == (host, port)
    assert str(address) == shown


@pytest.mark.parametrize(
    "text", ["", "localhost", ":50051", "::1:80", "host:99999", "http://host:80", "a b:1"]
)
def test_says_what_is_allowed(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^expected HOST:PORT .*, got "):
        Address.parse(text)


def test_localhost_is_both_loopback_addresses() -> None:
    assert Address.parse("localhost:1").bind_hosts == ("127.0.0.1", "::1")
    assert Address.parse("127.0.0.1:1").bind_hosts == ("127.0.0.1",)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.9.9.9", True), ("::1", True), ("0.0.0.0", False), ("127.evil.test", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    assert Address(host, 1).is_loopback is expected
