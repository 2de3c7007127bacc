"""Which metadata passes, and which each connection of its own makes anew.

grpcio's handlers and calls show custom metadata only: pseudo-headers, ``content-type``, ``te``,
``grpc-timeout``, ``grpc-encoding`` and their kin belong to one HTTP/2 connection and are taken
off and put on by grpcio on each side. What is left passes as it came, in the order it came, save for
the keys below.

Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

import re
from collections.abc import Iterable

from loom.model import Metadata

USER_AGENT = "user-agent"

NOT_FORWARDED = frozenset({USER_AGENT, "grpc-accept-encoding", "accept-encoding", "grpc-encoding"})
"""Keys that grpcio shows although they speak of the connection that they came on.

The user-agent goes along by another way: :meth:`loom.proxy.target.Target.channel`.
"""


_SENDABLE_TEXT = re.compile(r"[\x20-\x7e]*")
"""What gRPC allows in a text value; grpcio receives more than that, and refuses to send it."""


def seen(raw: Iterable[tuple[str, str | bytes]] | None) -> Metadata:
    """What grpcio hands over, as plain pairs."""
    return tuple((key, value) for key, value in raw) if raw else ()


def forwarded(metadata: Metadata) -> tuple[Metadata, str]:
    """The part of ``metadata`` that is sent on, and a sentence about what should be but cannot."""
    illegal = [
        key for key, value in metadata if isinstance(value, str) and not _SENDABLE_TEXT.fullmatch(value)
    ]
    items = tuple(item for item in metadata if item[0] not in NOT_FORWARDED and item[0] not in illegal)
    if not illegal:
        return items, ""
    return items, f"not forwarded, as gRPC allows only printable ASCII in a text value: {', '.join(illegal)}"


def user_agent(metadata: Metadata) -> str:
    """The client's user-agent, or empty."""
    return next((value for key, value in metadata if key == USER_AGENT and isinstance(value, str)), "")
