"""A Loom from start to end: settings in, lines on the console, an exit code out."""

import asyncio
import contextlib
import io
import logging
import os
import sys
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import TextIO

from loom.errors import LoomError
from loom.model import Address
from loom.runtime.config_loading import Configuration
from loom.runtime.console import Console
from loom.runtime.loom import Loom
from loom.runtime.palette import Palette
from loom.runtime.settings import Settings

_EXIT_WRONG = 2
_EXIT_INTERRUPTED = 130
_ANY_PORT = Address("127.0.0.1", 0)


def run(configuration: Configuration) -> int:
    """Run until told to stop; 0 then, 2 with one line on stderr if it could not start."""
    settings = configuration.settings
    stream = _standard_output()
    palette = Palette.chosen(settings.color, stream, os.environ)
    _set_up_logging(verbose=settings.verbose)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_run(configuration, stream, palette))
    except (KeyboardInterrupt, asyncio.CancelledError):  # told twice to stop
        return _EXIT_INTERRUPTED
    except LoomError as error:
        print(f"loom: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201
        return _EXIT_WRONG
    return 0


def _standard_output() -> TextIO:
    """Where lines go: a character that its encoding lacks becomes ``?``; nowhere, if it was closed."""
    if sys.stdout is None:
        return Path(os.devnull).open("w", encoding="utf-8")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return sys.stdout


def _set_up_logging(*, verbose: bool) -> None:
    """Warnings of everybody; with ``--verbose`` all that Loom itself has to say, and grpcio's errors."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S")
    if verbose:
        logging.getLogger("loom").setLevel(logging.DEBUG)
        return
    # What grpcio prints of connections and clients that went away Loom tells itself.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    logging.getLogger("grpc._cython.cygrpc").setLevel(logging.CRITICAL)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop  # noqa: PLC0415 (it is not on every platform)
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _run(configuration: Configuration, stream: TextIO, palette: Palette) -> None:
    async with _demo_backend(configuration) as settings:
        console = Console(stream, palette, starts=settings.verbose)
        loom = Loom(settings, observers=() if settings.quiet else (console,))
        with loom.signals():
            await loom.start()
            try:
                with console:
                    console.say(*_greeting(loom, settings, configuration, palette))
                    async with _demo_traffic(loom, settings):
                        await loom.run_until_stopped()
            finally:
                await loom.stop()


@contextlib.asynccontextmanager
async def _demo_backend(configuration: Configuration) -> AsyncGenerator[Settings]:
    """With ``--demo``, a backend beside Loom, and settings that point to it."""
    if not configuration.settings.demo:
        yield configuration.settings
        return
    from loom.demo.backend import DemoBackend  # noqa: PLC0415 (compiles .proto files; nobody else needs it)

    backend = DemoBackend(_ANY_PORT)
    await backend.start()
    try:
        yield configuration.settings.for_demo(backend.address, has_session="session" in configuration.origins)
    finally:
        await backend.stop()


@contextlib.asynccontextmanager
async def _demo_traffic(loom: Loom, settings: Settings) -> AsyncGenerator[None]:
    if not settings.demo:
        yield
        return
    from loom.demo.traffic import Traffic  # noqa: PLC0415

    traffic = Traffic(loom.listen_address)
    await traffic.start()
    try:
        yield
    finally:
        await traffic.stop()


def _greeting(loom: Loom, settings: Settings, configuration: Configuration, palette: Palette) -> list[str]:
    """Where to point the client and where the page is, before anything else."""
    here = palette.strong(str(loom.listen_address)) + (" (TLS)" if settings.listen_cert else "")
    target = f"{settings.target} (TLS)" if settings.target_uses_tls else str(settings.target)
    if settings.demo:
        lines = [f"Loom {here} → its demo backend", f"  client   the demo's own; yours may call {here} too"]
    else:
        lines = [f"Loom {here} → {target}", f"  client   point it at {here} instead of {settings.target}"]
    if loom.page_url:
        lines.append(f"  page     {palette.strong(loom.page_url)}")
    if configuration.file:
        lines.append(f"  settings {configuration.file}")
    lines.append("  Ctrl-C   ends it")
    return lines
