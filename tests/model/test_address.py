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


@pytest.mark.parametrize(
    ("text", "host", "port", "tls"),
    [
        ("localhost:50051", "localhost", 50051, None),
        ("backend:50051", "backend", 50051, None),
        ("0:9998", "0", 9998, None),
        ("api.acme.test", "api.acme.test", 443, None),
        ("10.1.2.3", "10.1.2.3", 443, None),
        ("[::1]", "::1", 443, None),
        ("2001:db8::1", "2001:db8::1", 443, None),
        ("abcd::1", "abcd::1", 443, None),
        ("[::ffff:127.0.0.1]:80", "::ffff:127.0.0.1", 80, None),
        ("dns:///orders:50051", "orders", 50051, None),
        ("dns:orders:50051", "orders", 50051, None),
        ("dns:///orders", "orders", 443, None),
        ("DNS:///[::1]:50051", "::1", 50051, None),
        ("passthrough:///orders:50051", "orders", 50051, None),
        ("ipv4:10.1.2.3:50051", "10.1.2.3", 50051, None),
        ("ipv4:10.1.2.3", "10.1.2.3", 443, None),
        ("ipv6:[::1]:50051", "::1", 50051, None),
        ("ipv6:::1", "::1", 443, None),
        ("http://orders:8080", "orders", 8080, False),
        ("http://orders/", "orders", 80, False),
        ("https://api.acme.test", "api.acme.test", 443, True),
        ("https://api.acme.test:8443/", "api.acme.test", 8443, True),
        ("https://[::1]", "::1", 443, True),
        ("[fe80::1%eth0]:50051", "fe80::1%eth0", 50051, None),
        ("[fe80::1%25eth0]:50051", "fe80::1%eth0", 50051, None),
        ("[fe80::1%br-1a2b]:50051", "fe80::1%br-1a2b", 50051, None),
        ("[fe80::1%eth0.100]:50051", "fe80::1%eth0.100", 50051, None),
        ("dns:///[fe80::1%25veth@if3]:50051", "fe80::1%veth@if3", 50051, None),
        ("https://[fe80::1%2]", "fe80::1%2", 443, True),
    ],
)
def test_forms_of_a_target(text: str, host: str, port: int, tls: bool | None) -> None:
    """As grpc-go and C-core read them; a form that says nothing about TLS leaves it to the settings."""
    address = Address.parse_target(text)
    assert (address.host, address.port, address.tls) == (host, port, tls)
    assert Address.parse_target(str(address)) == address


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("unix:/run/app.sock", "/run/app.sock"),
        ("unix:///run/app.sock", "/run/app.sock"),
        ("unix:app.sock", "app.sock"),
        ("unix:///run/my app.sock", "/run/my app.sock"),
    ],
)
def test_unix_sockets(text: str, path: str) -> None:
    address = Address.parse_target(text)
    assert address.unix_path == path
    assert str(address) == f"unix:{path}"
    assert Address.parse_target(str(address)) == address
    assert address.is_loopback


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        ":50051",
        "host:",
        "host:port",
        "host:99999",
        "host:0",
        "a b:1",
        "[::1",
        "[::1::2]:80",
        "[fe80::1%]:80",
        "https://",
        "https://a b",
        "unix:",
        "unix://host/path",
        "ipv4:orders:50051",
        "ipv4:[::1]:50051",
        "ipv6:10.1.2.3:50051",
        "ipv4:10.1.2.3:1,10.1.2.4:1",
        "xds:///orders",
        "ftp://host:21",
    ],
)
def test_what_is_not_a_target(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^expected HOST:PORT \(e\.g\. localhost:50051.*, got ") as raised:
        Address.parse_target(text)
    assert repr(text) in str(raised.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://host/path", "leave out '/path'"),
        ("dns://8.8.8.8/host:1", "leave '8.8.8.8' out"),
        ("xds:///orders", "the scheme 'xds' is not supported"),
    ],
)
def test_the_part_of_a_target_that_is_not_supported_is_named(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Address.parse_target(text)


def test_localhost_is_both_loopback_addresses() -> None:
    assert Address.parse("localhost:1").bind_hosts == ("127.0.0.1", "::1")
    assert Address.parse("127.0.0.1:1").bind_hosts == ("127.0.0.1",)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.9.9.9", True), ("::1", True), ("0.0.0.0", False), ("127.evil.test", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    assert Address(host, 1).is_loopback is expected
