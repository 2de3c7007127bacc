"""The connections of clients that have had a request accepted, which tells a cancellation from a refused request."""


class AcceptedConnections:
    """The newest ``size`` connections of which C-core has accepted a request. Thread-safe.

    C-core reports a request that it refuses for its metadata in the same way as a client that cancels in the instant in
    which it calls. A client whose requests are refused (for their encoding, say) has mostly none that is accepted.
    """

    __slots__ = ("_peers", "_size")

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._peers: dict[str, None] = {}

    def add(self, peer: str) -> None:
        """Note that a request was accepted on the connection of ``peer``, which is its address and port."""
        peers = self._peers
        if peer not in peers:
            if len(peers) >= self._size:
                for oldest in list(peers)[: self._size // 2]:
                    peers.pop(oldest, None)
            peers[peer] = None

    def __contains__(self, peer: str) -> bool:
        return peer in self._peers
