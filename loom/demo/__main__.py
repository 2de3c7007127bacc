"""``python -m loom.demo``: the harbour alone, for a Loom that runs somewhere else."""

import asyncio
import contextlib
import signal
import sys

import click

from loom.errors import LoomError
from loom.model import Address

from .backend import DemoBackend
from .traffic import Traffic


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--listen", default="localhost:50051", show_default=True, metavar="HOST:PORT", help="Serve here."
)
@click.option("--call", metavar="HOST:PORT", help="Make traffic too, and send it there: to a Loom before it.")
def main(listen: str, call: str | None) -> None:
    """Serve the demo's harbour, until Ctrl-C."""
    try:
        asyncio.run(_run(Address.parse(listen), Address.parse(call) if call else None))
    except LoomError as error:
        click.echo(f"loom.demo: {error}", err=True)
        sys.exit(2)


async def _run(listen: Address, call: Address | None) -> None:
    backend = DemoBackend(listen)
    await backend.start()
    click.echo(f"the harbour listens on {backend.address}")
    traffic = Traffic(call, backend.contract) if call else None
    if traffic is not None:
        await traffic.start()
        click.echo(f"and its clients call {call}")
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for kind in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt there
            loop.add_signal_handler(kind, stopped.set)
    await stopped.wait()
    if traffic is not None:
        await traffic.stop()
    await backend.stop()


if __name__ == "__main__":
    main()
