"""``loom open FILE``: the inspector over the calls of a file, offline and read-only."""

import asyncio
import contextlib
import os
import secrets
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loom import __version__
from loom.api.feed import Launch
from loom.api.stats import TargetStatus
from loom.api.summary import summarise
from loom.archive.archive import Archive
from loom.archive.stored_descriptors import DescriptorRegistry, StoredDescriptorSource
from loom.decoding.display import DisplayDecoder
from loom.errors import ConfigError, StartError
from loom.formats.destination import Destination
from loom.grpcurl.command_builder import CommandBuilder
from loom.inspector import Access, Inspector, InspectorServer, create_app
from loom.memory_limit import memory_limit
from loom.model import Address, Call, CallIds, Endpoint, Secrets
from loom.model.memory import CALL_COST
from loom.model.projection import end_interrupted, project
from loom.proxy.binding import open_sockets
from loom.publishing import Hub
from loom.recording.recorder import Recorder
from loom.schema import Schema
from loom.search.file_client import read_file
from loom.search.protocol import ImportedCalls, ImportEnd, ImportStart
from loom.sessions.event_codec import unpack
from loom.units import format_count

from . import wiring
from .metrics import Metrics
from .newest_calls import NewestCalls
from .settings import Settings
from .stats import StatsCollector
from .tasks import Tasks

_STATS_SECONDS = 1.0
_MEMORY_PER_BYTE = 8  # memory per byte of a compressed file, generously
_DEFAULT_TARGET = Address("localhost", 50051)


class Viewer:
    """An inspector over the calls of one file. Raises :class:`LoomError` if the file cannot be read.

    ``problems`` are lines that name the damaged places of the file; the rest of it is shown.
    """

    def __init__(self, path: Path, settings: Settings, *, any_port: bool = False) -> None:
        self.path = path
        self.settings = settings
        self.problems: list[str] = []
        self.token = settings.token or secrets.token_urlsafe(24)
        self._any_port = any_port
        self._fault_seeds: Mapping[int, int] = {}
        self._exit = contextlib.AsyncExitStack()
        self._stopping = asyncio.Event()
        self.history = wiring.history(settings)
        self.hub = Hub(secrets.token_hex(4), summarise)
        self.inspector: InspectorServer | None = None

    async def start(self) -> None:
        """Read the file and start the inspector."""
        ui = self.settings.ui
        if ui is None:
            raise ConfigError(
                "'loom open' requires the inspector: pass --ui HOST:PORT, or remove 'ui = false' from loom.toml"
            )
        descriptors = StoredDescriptorSource()
        schema = Schema([descriptors])
        self._exit.push_async_callback(schema.close)
        masked_keys = Secrets(self.settings.secrets)
        await self._read(descriptors, masked_keys)
        stats = StatsCollector(
            history=self.history,
            hub=self.hub,
            recorder=Recorder(self.history),
            target=self._no_target,
        )
        decoder = DisplayDecoder(schema)
        self._exit.push_async_callback(decoder.close)
        server = InspectorServer(self._listen(ui))
        self._exit.push_async_callback(server.stop)
        self._exit.callback(self.hub.close)
        endpoint = Endpoint(_address(self._recorded_target()))
        inspector = Inspector(
            history=self.history,
            hub=self.hub,
            decoder=decoder,
            commands=CommandBuilder(schema, masked_keys, endpoint, lambda: endpoint),
            replays=None,
            archive=Archive(
                self.history,
                None,
                self._descriptors,
                descriptors,
                CallIds().allocate,
                destination=Destination.recorded(self._recorded_target()),
                fault_seeds=self._fault_seeds,
            ),
            secrets=masked_keys,
            access=Access(
                token=self.token,
                required=not ui.is_loopback,
                port=server.port,
                hosts=frozenset(name.lower() for name in (ui.host, *self.settings.ui_host)),
            ),
            stats=stats,
            launch=self._launch,
            metrics=Metrics(__version__, stats).exposition,
            read_only=self.path.name,
        )
        await server.start(create_app(inspector))
        self.inspector = server
        tasks = Tasks()
        self._exit.push_async_callback(tasks.stop)
        tasks.every(_STATS_SECONDS, lambda: self.hub.send("stats", stats()), "stats")

    async def run_until_stopped(self) -> None:
        """Wait for SIGINT or SIGTERM, then stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        try:
            await self._stopping.wait()
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    async def stop(self) -> None:
        await self._exit.aclose()

    @property
    def page_url(self) -> str:
        """The URL of the page, with the token if it is required."""
        assert self.inspector is not None and self.settings.ui is not None  # noqa: S101, PT018 (after start)
        address = Address(self.settings.ui.host, self.inspector.port)
        return f"http://{address}/" + ("" if address.is_loopback else f"?token={self.token}")

    async def _read(self, descriptors: StoredDescriptorSource, masked_keys: Secrets) -> None:
        size = await asyncio.to_thread(_size, self.path)
        limit = memory_limit()
        most = size * _MEMORY_PER_BYTE if limit is None else min(size * _MEMORY_PER_BYTE, limit // 2)
        self.history.budget = max(self.history.budget, most)
        self.history.call_budget = self.history.budget
        newest = NewestCalls(self.history.budget)
        self._descriptors = DescriptorRegistry(str(self.path))
        async with contextlib.aclosing(read_file(self.path)) as answers:
            async for answer in answers:
                match answer:
                    case ImportStart():
                        masked_keys.add(answer.masked)
                    case ImportedCalls():
                        for call in project(unpack(answer.events)):
                            newest.add(call)
                    case ImportEnd():
                        stored = [item.as_stored() for item in answer.descriptors]
                        descriptors.add(stored)
                        self._descriptors.add(stored)
                        self.problems += answer.problems
                        self._fault_seeds = answer.fault_seeds
        for call in _with_unique_ids(newest.calls()):
            self.history.restore(end_interrupted(call))  # a file has no calls in flight
        self.problems += [f"{self.path}: {problem}" for problem in descriptors.problems]
        if evicted := self.history.evicted + newest.dropped:
            self.problems.append(
                f"{self.path}: {format_count(evicted, 'call')} did not fit into memory: "
                "raise --history-bytes, or import the file into a session"
            )

    def _listen(self, ui: Address) -> Any:
        try:
            return open_sockets(
                ui, setting="--ui", advice="choose another port with --ui, or leave it out for any free one"
            )
        except StartError:
            if not self._any_port:
                raise
            return open_sockets(Address(ui.host, 0), setting="--ui")

    def _recorded_target(self) -> str:
        return next((call.target for call in self.history if call.target), "")

    def _no_target(self) -> TargetStatus:
        return TargetStatus(
            self._recorded_target(),
            tls=False,
            insecure=False,
            state="idle",
            error="a file is open: there is no target",
        )

    def _launch(self) -> Launch:
        return Launch(
            version=__version__,
            listen="",
            ui=str(self.settings.ui),
            target=self._recorded_target(),
            engine="file",
            read_only=self.path.name,
            problems=self.problems,
        )


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 (one system call)
    except OSError:
        return CALL_COST  # reading it reports the error


def _with_unique_ids(calls: list[Call]) -> list[Call]:
    """Return the calls by id, with new ids for duplicates."""
    seen: set[int] = set()
    last = max((call.id for call in calls), default=0)
    for call in calls:
        if call.id in seen:
            last += 1
            call.id = last
        seen.add(call.id)
    return sorted(calls, key=lambda call: call.id)


def _address(text: str) -> Address:
    try:
        return Address.parse_target(text)
    except ConfigError:
        return _DEFAULT_TARGET
