"""uvicorn on the loop that already runs, with signals left to the runtime."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Generator

import uvicorn
from starlette.types import ASGIApp

from loom.errors import StartError
from loom.model import Address

_OTHERWISE = "choose another port with --ui, or run without the page with --no-ui"


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals end the whole of Loom, not its page alone: the runtime handles them."""
        yield


def listen(address: Address, *, otherwise: str = _OTHERWISE) -> list[socket.socket]:
    """Bind every host of the address, port 0 to the same free one.

    :class:`StartError` if taken; it ends with what to do ``otherwise``.
    """
    sockets: list[socket.socket] = []
    port = address.port
    for host in address.bind_hosts:
        try:
            family, kind, proto, _, where = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            sock = socket.socket(family, kind, proto)
        except OSError as error:
            if sockets:
                continue  # a machine without IPv6
            raise StartError(f"--ui {address}: cannot resolve {host!r}: {error.strerror}") from error
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(where)
            sock.listen(1024)
        except OSError as error:
            sock.close()
            if sockets and host == "::1" and not _in_use(error):
                continue
            for other in sockets:
                other.close()
            raise StartError(f"--ui {address}: cannot listen there: {error.strerror}; {otherwise}") from error
        sock.setblocking(False)  # noqa: FBT003 (the standard library's signature)
        sockets.append(sock)
        port = sock.getsockname()[1]
    return sockets


def _in_use(error: OSError) -> bool:
    return error.errno in {errno.EADDRINUSE, errno.EACCES}


class InspectorServer:
    """Serves an app on sockets that :func:`listen` opened."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        self._sockets = sockets
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        port: int = self._sockets[0].getsockname()[1]
        return port

    async def start(self, app: ASGIApp) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=2,
            timeout_keep_alive=30,
            backlog=1024,
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(self._sockets), name="inspector")

    async def stop(self) -> None:
        """End open requests within two seconds, and close."""
        if self._server is None or self._task is None:
            for sock in self._sockets:
                sock.close()
            return
        self._server.should_exit = True
        await self._task
