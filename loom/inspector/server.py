"""uvicorn on the loop that already runs, with signals left to the runtime."""

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn
from starlette.types import ASGIApp


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals end the whole of Loom, not its page alone: the runtime handles them."""
        yield


class InspectorServer:
    """Serves an app on sockets from :func:`loom.proxy.binding.open_sockets`."""

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
