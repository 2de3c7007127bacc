"""A client or a server under test, as the suite sees it: the suite's own, with Loom between it and the other side.

``python -m tests.conformance.party client PROGRAM`` reads each case from standard input, starts a Loom in front of
the case's server (one for each address), sends the client there, and writes what the client reports.
``… server PROGRAM`` starts the server and a Loom in front of it, and writes Loom's address as the server's.

The environment: ``CONFORMANCE_ENGINE``, and ``CONFORMANCE_OUTPUT``, a directory which receives Loom's logs
(``calls-*.ndjson``) and, of a client, its reports (``reports-*``: each case and the client's answer, length-prefixed).
"""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import trustme

from loom.model import Address
from loom.runtime.loom import Loom
from loom.runtime.settings import Settings

from .protocol import Messages, read_frame, write_frame

_DRAIN = 1.0  # seconds for the calls that are open when the last case has ended
_START_TIMEOUT = 30.0  # seconds

T = TypeVar("T")


@dataclass
class TargetTls:
    """How Loom connects to a server over TLS: the certificate to trust, and a certificate to show."""

    trust: bytes
    client: tuple[bytes, bytes] | None = None  # certificate and key


@dataclass
class ListenTls:
    """How Loom accepts connections over TLS: its certificate and key, and the client certificates to trust."""

    cert: bytes
    key: bytes
    client_ca: bytes | None = None


class Looms:
    """Looms on free ports, on an event loop in a thread; each writes a log of its own."""

    def __init__(self, engine: str, output: Path) -> None:
        self._engine = engine
        self._output = output
        self._numbers = itertools.count(1)
        self._looms: list[Loom] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def start(self, target: Address, target_tls: TargetTls | None, listen_tls: ListenTls | None) -> int:
        """Start one in front of ``target``; its port."""
        name = f"{os.getpid()}-{next(self._numbers)}"

        def file(kind: str, content: bytes | None) -> Path | None:
            if content is None:
                return None
            path = self._output / f"{kind}-{name}.pem"
            path.write_bytes(content)
            return path

        client = target_tls.client if target_tls and target_tls.client else (None, None)
        settings = Settings(
            target=target,
            listen=Address("127.0.0.1", 0),
            engine=self._engine,
            ui=None,
            session=None,
            reflection=False,
            log=self._output / f"calls-{name}.ndjson",
            cacert=file("trust", target_tls.trust if target_tls else None),
            cert=file("client", client[0]),
            key=file("client-key", client[1]),
            listen_cert=file("listen", listen_tls.cert if listen_tls else None),
            listen_key=file("listen-key", listen_tls.key if listen_tls else None),
            listen_client_ca=file("listen-ca", listen_tls.client_ca if listen_tls else None),
            drain=_DRAIN,
        )
        return self._run(self._start(settings))

    async def _start(self, settings: Settings) -> int:
        loom = Loom(settings, tune=False)
        await loom.start()
        self._looms.append(loom)
        return loom.listen_address.port

    def stop(self) -> None:
        """Stop all of them: their logs are complete then."""

        async def stop_all() -> None:
            await asyncio.gather(*(loom.stop() for loom in self._looms))

        self._run(stop_all())

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_START_TIMEOUT)


def run_client(program: str, looms: Looms, messages: Messages, output: Path) -> None:
    """Be the client under test."""
    request_type, response_type = messages.type("ClientCompatRequest"), messages.type("ClientCompatResponse")
    client = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert client.stdin is not None
    assert client.stdout is not None
    requests: dict[str, bytes] = {}
    ca = trustme.CA()
    own = ca.issue_cert("localhost", "127.0.0.1")
    own_chain, own_key = own.cert_chain_pems[0].bytes(), own.private_key_pem.bytes()

    def pass_responses() -> None:
        with (output / f"reports-{os.getpid()}").open("wb") as reports:
            while (data := read_frame(client.stdout)) is not None:  # type: ignore[arg-type]
                name = response_type.FromString(data).test_name  # type: ignore[attr-defined]
                write_frame(reports, requests[name])
                write_frame(reports, data)
                write_frame(sys.stdout.buffer, data)

    passing = threading.Thread(target=pass_responses)
    passing.start()
    ports: dict[tuple[Any, ...], int] = {}
    while (data := read_frame(sys.stdin.buffer)) is not None:
        request: Any = request_type.FromString(data)
        requests[request.test_name] = data
        creds = request.client_tls_creds
        key = (request.host, request.port, request.server_tls_cert, creds.cert)
        if key not in ports:
            target_tls = listen_tls = None
            if request.server_tls_cert:
                client_cert = (creds.cert, creds.key) if creds.cert else None
                target_tls = TargetTls(request.server_tls_cert, client_cert)
                listen_tls = ListenTls(own_chain, own_key, creds.cert or None)
            ports[key] = looms.start(Address(request.host, request.port), target_tls, listen_tls)
        request.host, request.port = "127.0.0.1", ports[key]
        if request.server_tls_cert:
            request.server_tls_cert = ca.cert_pem.bytes()
        write_frame(client.stdin, request.SerializeToString())
    client.stdin.close()
    client.wait()
    passing.join()
    looms.stop()


def run_server(program: str, looms: Looms, messages: Messages) -> None:
    """Be the server under test."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    data = read_frame(sys.stdin.buffer)
    assert data is not None
    request: Any = messages.type("ServerCompatRequest").FromString(data)
    target_tls = listen_tls = None
    client_ca = request.client_tls_cert or None
    own_cert = None
    if client_ca:  # Loom cannot show the client's own certificate, as it has no key of it
        ca = trustme.CA()
        own = ca.issue_cert("localhost")
        own_cert = (own.cert_chain_pems[0].bytes(), own.private_key_pem.bytes())
        request.client_tls_cert = ca.cert_pem.bytes()
    server = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin is not None
    assert server.stdout is not None
    write_frame(server.stdin, request.SerializeToString())
    server.stdin.close()
    data = read_frame(server.stdout)
    assert data is not None, f"{program} did not start"
    response: Any = messages.type("ServerCompatResponse").FromString(data)
    if request.use_tls:
        target_tls = TargetTls(response.pem_cert, own_cert)
        listen_tls = ListenTls(request.server_creds.cert, request.server_creds.key, client_ca)
    response.port = looms.start(Address(response.host or "127.0.0.1", response.port), target_tls, listen_tls)
    response.host = "127.0.0.1"
    write_frame(sys.stdout.buffer, response.SerializeToString())
    stopping.wait()
    server.kill()  # first: whatever becomes of Loom, the suite must not wait for a server that nobody ends
    server.wait()
    looms.stop()


def main(role: str, program: str) -> None:
    output = Path(os.environ["CONFORMANCE_OUTPUT"])
    looms = Looms(os.environ["CONFORMANCE_ENGINE"], output)
    messages = Messages((output / "messages.binpb").read_bytes())
    if role == "client":
        run_client(program, looms, messages, output)
    else:
        run_server(program, looms, messages)


if __name__ == "__main__":
    main(*sys.argv[1:])
