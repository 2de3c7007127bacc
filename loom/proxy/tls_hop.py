"""A hop that ends in TLS without verification, for C-core, which always verifies: ``--insecure``.

C-core connects to a Unix socket in a private directory, in cleartext; each of its connections is forwarded over one
to the target. It is used with ``--insecure`` only.
"""

import asyncio
import contextlib
import shutil
import socket
import tempfile
from pathlib import Path

from .dialer import Dialer, DialError

_CHUNK = 64 * 1024
_BACKLOG = 128


class TlsHop:
    """Listens as soon as it is created, on a running event loop, until :meth:`close`."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        self._directory = tempfile.mkdtemp(prefix="loom-hop-")  # mode 0700
        self.path = str(Path(self._directory) / "target")
        """The socket to connect to."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(self.path)
        self._socket.listen(_BACKLOG)
        self._socket.setblocking(False)  # noqa: FBT003 (the standard library's signature)
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Task[None] = asyncio.create_task(self._serve(), name="insecure-hop")

    async def close(self) -> None:
        """Close every connection."""
        tasks = [self._server, *self._connections]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._socket.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    async def _serve(self) -> None:
        server = await asyncio.start_unix_server(self._on_connection, sock=self._socket)
        async with server:
            await server.serve_forever()

    def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._forward(reader, writer), name="insecure-hop-connection")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection until either direction has ended."""
        try:
            target_reader = asyncio.StreamReader()
            protocol = asyncio.StreamReaderProtocol(target_reader)
            transport = await self._dialer.connect(lambda: protocol, "h2")
            loop = asyncio.get_running_loop()
            target_writer = asyncio.StreamWriter(transport, protocol, target_reader, loop)
            pumps = {
                asyncio.create_task(_pump(reader, target_writer), name="insecure-hop-request"),
                asyncio.create_task(_pump(target_reader, writer), name="insecure-hop-response"),
            }
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                transport.abort()
                self._dialer.connection_closed()
        except DialError:
            pass  # the dialer has the reason; C-core sees a connection that closes
        finally:
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
