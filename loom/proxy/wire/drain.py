"""Asks clients to leave their connections while their calls go on: a GOAWAY between two frames of the target.

A client that receives it opens no further stream on the connection, and makes a new one for its next call. It names the
highest stream there can be, so that calls which cross it are served (RFC 9113, section 6.8). This is the one thing that
the wire engine adds to the bytes of a connection, and only once it is stopping.
"""

import asyncio
import socket
from collections.abc import Callable, Collection
from struct import Struct, error

from .frames import FrameType
from .inspection_queue import InspectionQueue
from .tunnel import Tunnel

_POLL = 0.02
"""Seconds between two looks at what is still open."""
_LEAST_ROUND_TRIP, _MOST_ROUND_TRIP = 0.05, 1.0
"""Seconds for which a call may cross the GOAWAY, by the round-trip time that the system has measured, if it has."""
_TCP_INFO_SIZE = 72
_round_trip_us = Struct("=I").unpack_from  # of struct tcp_info: tcpi_rtt
_ROUND_TRIP_OFFSET = 68

GOAWAY = b"\x00\x00\x08" + bytes((FrameType.GOAWAY, 0)) + b"\x00\x00\x00\x00" + b"\x7f\xff\xff\xff" + bytes(4)
"""Last stream 2³¹-1, NO_ERROR."""


async def drain(tunnels: Callable[[], Collection[Tunnel]], queue: InspectionQueue) -> None:
    """Ask the clients of all tunnels to leave, and return when no call is open and none can cross the request."""
    loop = asyncio.get_running_loop()
    crossing: dict[Tunnel, float] = {}  # until when calls may cross the GOAWAY
    while True:
        for tunnel in tunnels():
            if tunnel not in crossing and _can_insert(tunnel, queue):
                tunnel.client.write(GOAWAY)
                crossing[tunnel] = loop.time() + 2 * _round_trip(tunnel)
        now = loop.time()
        if not queue and not any(
            tunnel.connection.open_calls or now < crossing.get(tunnel, 0) for tunnel in tunnels()
        ):
            return
        await asyncio.sleep(_POLL)


def _can_insert(tunnel: Tunnel, queue: InspectionQueue) -> bool:
    """Whether the last byte that was written to the client is the end of a frame, behind the target's SETTINGS."""
    connection = tunnel.connection
    return tunnel.client.open and connection.is_between_frames and not queue.has_bytes_of(connection)


def _round_trip(tunnel: Tunnel) -> float:
    opened = tunnel.client.transport.get_extra_info("socket")
    try:
        info = opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
        microseconds: int = _round_trip_us(info, _ROUND_TRIP_OFFSET)[0]
    except (OSError, AttributeError, error):  # another platform
        return _MOST_ROUND_TRIP
    return min(max(microseconds / 1e6, _LEAST_ROUND_TRIP), _MOST_ROUND_TRIP)
