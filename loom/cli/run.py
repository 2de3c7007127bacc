"""Run the proxy from start to shutdown: console, logging, demo, exit code."""

import asyncio
import contextlib
import io
import logging
import os
import sys
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import TextIO

from loom.errors import ConfigError, LoomError
from loom.model import Address
from loom.runtime.config_loading import Configuration
from loom.runtime.console import Console
from loom.runtime.loom import Loom
from loom.runtime.settings import Settings
from loom.runtime.signals import HANGUP
from loom.runtime.terminal import LogFormatter, Palette

from .output import print_error

_EXIT_ERROR = 2
_EXIT_INTERRUPTED = 130
_ANY_PORT = Address("127.0.0.1", 0)


def run(configuration: Configuration, load: Callable[[], Configuration]) -> int:
    """Run until a signal; return 0, or 2 with a one-line error on stderr if Loom cannot start.

    ``load`` loads the configuration again while Loom runs.
    """
    settings = configuration.settings
    stream = _standard_output()
    palette = Palette.for_stream(settings.color, stream, os.environ)
    _set_up_logging(verbose=settings.verbose)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_run(configuration, load, stream, palette))
    except (KeyboardInterrupt, asyncio.CancelledError):  # a second signal
        return _EXIT_INTERRUPTED
    except LoomError as error:
        print_error(str(error))
        return _EXIT_ERROR
    return 0


def _standard_output() -> TextIO:
    """Return stdout, with ``?`` for characters that its encoding lacks; the null device if stdout is closed."""
    if sys.stdout is None:
        return Path(os.devnull).open("w", encoding="utf-8")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return sys.stdout


def _set_up_logging(*, verbose: bool) -> None:
    """Log warnings; with ``--verbose`` also Loom's debug records and grpcio's errors."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S"))
    logging.basicConfig(handlers=[handler])
    if verbose:
        logging.getLogger("loom").setLevel(logging.DEBUG)
        return
    # Loom reports closed connections itself.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    logging.getLogger("grpc._cython.cygrpc").setLevel(logging.CRITICAL)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop  # noqa: PLC0415 (not available on every platform)
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _run(
    configuration: Configuration, load: Callable[[], Configuration], stream: TextIO, palette: Palette
) -> None:
    async with _demo_backend(configuration) as settings:
        console = Console(stream, palette, starts=settings.verbose)
        loom = Loom(
            settings,
            observers=() if settings.quiet else (console,),
            load=lambda: _load_again(configuration, settings.target, load),
        )
        with loom.signals():
            await loom.start()
            try:
                with console:
                    console.print_lines(*_banner(loom, settings, configuration, palette))
                    async with _demo_traffic(loom, settings):
                        await loom.run_until_stopped()
            finally:
                await loom.stop()


def _load_again(configuration: Configuration, target: Address, load: Callable[[], Configuration]) -> Settings:
    """The settings as they are now; those of a demo stay with its backend, ``target``."""
    again = load()
    if configuration.file is not None and again.file != configuration.file:
        raise ConfigError(f"{configuration.file}: no such file, and it is what Loom was started with")
    if configuration.settings.demo and again.settings.demo:
        return again.settings.for_demo(target, has_session="session" in again.origins)
    return again.settings


@contextlib.asynccontextmanager
async def _demo_backend(configuration: Configuration) -> AsyncGenerator[Settings]:
    """Yield the settings; with ``--demo``, start a backend and point them to it."""
    if not configuration.settings.demo:
        yield configuration.settings
        return
    from loom.demo.backend import DemoBackend  # noqa: PLC0415 (it compiles .proto files, which only the demo needs)

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
    from loom.demo.acting import add_rules  # noqa: PLC0415
    from loom.demo.traffic import Traffic  # noqa: PLC0415

    if loom.interceptor is not None:
        add_rules(loom.rule_sources, loom.interceptor)
    traffic = Traffic(loom.listen_address)
    await traffic.start()
    try:
        yield
    finally:
        await traffic.stop()


def _banner(loom: Loom, settings: Settings, configuration: Configuration, palette: Palette) -> list[str]:
    """Lines for the console at start: the addresses, and which file the settings are from."""
    address = palette.bold(str(loom.listen_address)) + (" (TLS)" if settings.listen_cert else "")
    target = f"{settings.target} (TLS)" if settings.target_uses_tls else str(settings.target)
    if settings.insecure:
        target = f"{settings.target} ({palette.bold('TLS, certificate NOT VERIFIED')}: --insecure)"
    if settings.demo:
        lines = [
            f"Loom {address} → demo backend",
            f"  client   demo traffic; your client can call {address} too",
        ]
    else:
        lines = [
            f"Loom {address} → {target}",
            f"  client   point it at {address} instead of {settings.target}",
        ]
    if loom.page_url:
        lines.append(f"  page     {palette.bold(loom.page_url)}")
    if configuration.file:
        lines.append(f"  settings {configuration.file}")
    if HANGUP is None:
        lines.append("  reload   with 'loom reload': this platform has no SIGHUP")
    lines += _acting_lines(loom, palette)
    lines.append("  Ctrl-C   stops it")
    return lines


def _acting_lines(loom: Loom, palette: Palette) -> list[str]:
    """Say that calls are altered, and by which seed: nothing altered is silent."""
    count = 0 if loom.interceptor is None else loom.interceptor.rules.count_acting(time.monotonic())
    if not count:
        return []
    text = f"{count} rules and faults act on calls" if count > 1 else "a rule or a fault acts on calls"
    return [f"  rules    {palette.warning(text)} (--fault-seed {loom.rule_sources.seed})"]
