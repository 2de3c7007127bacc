"""``python -m loom.demo``: the demo backend without Loom, for a Loom that runs elsewhere."""

import asyncio
import contextlib
import signal
import sys

import click

from loom.errors import LoomError
from loom.model import Address
from loom.runtime.terminal import terminal_safe

from .backend import DemoBackend
from .traffic import Traffic


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--listen",
    default="localhost:50051",
    show_default=True,
    metavar="HOST:PORT",
    help="The address to listen on.",
)
@click.option(
    "--call",
    metavar="HOST:PORT",
    help="Also start demo traffic to this address, such as a Loom in front of the backend.",
)
def main(listen: str, call: str | None) -> None:
    """Serve the demo backend until SIGINT (Ctrl-C) or SIGTERM."""
    try:
        asyncio.run(_run(Address.parse(listen), Address.parse(call) if call else None))
    except LoomError as error:
        click.echo(f"loom.demo: {terminal_safe(str(error))}", err=True)
        sys.exit(2)


async def _run(listen: Address, call: Address | None) -> None:
    backend = DemoBackend(listen)
    await backend.start()
    click.echo(f"demo backend listening on {backend.address}")
    traffic = Traffic(call, backend.contract) if call else None
    if traffic is not None:
        await traffic.start()
        click.echo(f"demo traffic to {call}")
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt there
            loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
    if traffic is not None:
        await traffic.stop()
    await backend.stop()


if __name__ == "__main__":
    main()
