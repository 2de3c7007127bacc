"""Which connections have had a request accepted."""

from loom.proxy.relay.accepted_connections import AcceptedConnections


def test_the_newest_connections_are_kept() -> None:
    connections = AcceptedConnections(size=4)
    for number in range(100):
        connections.add(f"ipv4:127.0.0.1:{number}")
        connections.add(f"ipv4:127.0.0.1:{number}")
    kept = [number for number in range(100) if f"ipv4:127.0.0.1:{number}" in connections]
    assert 2 <= len(kept) <= 4
    assert kept == list(range(kept[0], 100))
