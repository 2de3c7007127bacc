"""A worker process, from its parent's side: start, send, receive, end, kill, and why it died."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from .framing import encode_frame, receive_frame
from .spawn import spawn

_BUFFER_BYTES = 1024 * 1024
_STDERR_BYTES = 4096  # the last of what it printed; the cause of its death is in there
_CAUSE_CHARACTERS = 300
_PATIENCE = 5.0  # seconds in which a process that has nothing more to do should have ended

T = TypeVar("T")


class WorkerDiedError(Exception):
    """The process ended, or broke the protocol, before it had answered. The text says how: ``signal 11 (SIGSEGV)``."""


class WorkerProcess:
    """A Python process that runs a module of Loom; messages go to its standard input and come from its output.

    Make one with :meth:`start`; end it with :meth:`end` or :meth:`kill`.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._reader = asyncio.StreamReader(limit=_BUFFER_BYTES)
        self._stderr = _Tail()
        self._writer: asyncio.StreamWriter | None = None
        self._pipes = [pipe for pipe in (process.stdin, process.stdout, process.stderr) if pipe is not None]
        self._transports: list[asyncio.BaseTransport] = []

    @classmethod
    async def start(cls, module: str) -> Self:
        """Start ``python -m module``. Raises :class:`WorkerDiedError` if the system cannot."""
        # The child imports Loom from where this process did, and nothing from the working directory (-P).
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        try:
            process = spawn([sys.executable, "-P", "-m", module], environment=environment)
        except OSError as error:
            raise WorkerDiedError(f"it could not be started: {error.strerror or error}") from error
        _sacrifice(process.pid)
        worker = cls(process)
        try:
            await worker._connect()
        except BaseException:
            await worker.kill()
            raise
        return worker

    async def _connect(self) -> None:
        """Hand the three pipes, in this order, to transports, which close them."""
        loop = asyncio.get_running_loop()
        stdin, stdout, stderr = self._pipes
        transport, protocol = await loop.connect_write_pipe(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), stdin
        )
        self._connected(transport)
        self._writer = asyncio.StreamWriter(transport, protocol, None, loop)
        incoming, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(self._reader), stdout)
        self._connected(incoming)
        errors, _ = await loop.connect_read_pipe(lambda: self._stderr, stderr)
        self._connected(errors)

    def _connected(self, transport: asyncio.BaseTransport) -> None:
        self._pipes.pop(0)
        self._transports.append(transport)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    async def send(self, message: Any) -> None:
        """Send a message, when there is room for it.

        To a process that died nothing is sent, without an error: :meth:`receive` says how it died.
        """
        writer = self._writer
        if writer is None or writer.is_closing():
            return
        with contextlib.suppress(OSError):
            writer.write(encode_frame(message))
            await writer.drain()

    async def receive(self, decoder: "msgspec.msgpack.Decoder[T]") -> T:
        """Wait for the next message. Raises :class:`WorkerDiedError`."""
        try:
            return decoder.decode(await receive_frame(self._reader))
        except (EOFError, OSError):
            raise await self._death() from None
        except msgspec.DecodeError as error:
            await self.kill()
            raise WorkerDiedError(f"it sent what is not an answer: {error}") from error

    async def end(self) -> None:
        """Close the process's input, which ends it, and wait until it has; kill it if that takes long."""
        if self._writer is not None:
            self._writer.close()
        with contextlib.suppress(OSError):  # TimeoutError is one
            async with asyncio.timeout(_PATIENCE):
                while await self._reader.read(_BUFFER_BYTES):
                    pass
        await self.kill()

    def terminate(self) -> None:
        """Kill the process, without waiting; :meth:`receive` then fails."""
        self._process.kill()

    async def kill(self) -> None:
        """Kill the process, if it still runs, and wait until it is gone.

        A cancelled caller does not wait; the process is reaped all the same.
        """
        self._process.kill()
        try:
            if self._process.poll() is None:
                reaped = asyncio.get_running_loop().run_in_executor(None, self._process.wait)
                await asyncio.shield(reaped)
        finally:
            for transport in self._transports:
                transport.close()
            for pipe in self._pipes:
                pipe.close()

    async def _death(self) -> WorkerDiedError:
        """Wait for the end of a process whose pipe has closed, and say how it ended."""
        with contextlib.suppress(OSError):
            async with asyncio.timeout(_PATIENCE):
                while await self._reader.read(_BUFFER_BYTES):
                    pass
                await self._stderr.closed.wait()
        await self.kill()
        return WorkerDiedError(_cause(self._process.returncode, self._stderr.data))


class _Tail(asyncio.Protocol):
    """The last bytes of what came."""

    def __init__(self) -> None:
        self.data = b""
        self.closed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.data = (self.data + data)[-_STDERR_BYTES:]

    def connection_lost(self, _: Exception | None) -> None:
        self.closed.set()


def _sacrifice(pid: int) -> None:
    """Where memory runs out, Linux is to kill this process, which is started again, and not Loom."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("500")


def _cause(code: int, stderr: bytes) -> str:
    """How a process ended, from its exit code and what it printed last."""
    lines = stderr.decode("utf-8", "replace").strip().splitlines() or [""]
    last = "".join(character if character.isprintable() else "?" for character in lines[-1])
    last = last[:_CAUSE_CHARACTERS]
    if code < 0:
        try:
            name = f"signal {-code} ({signal.Signals(-code).name})"
        except ValueError:  # a real-time signal
            name = f"signal {-code}"
        return f"{name}: {last}" if last else name
    return last or (f"exit code {code}" if code else "it ended without an answer")
