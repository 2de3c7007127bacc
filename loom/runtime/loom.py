"""A running Loom: creates, connects, starts and stops its parts."""

import asyncio
import contextlib
import gc
import secrets
import sys
from collections.abc import Callable, Iterator
from functools import partial

import msgspec

from loom import __version__
from loom.api.feed import Launch
from loom.api.reload import Reloaded
from loom.api.stats import BreakerStatus, TargetStatus
from loom.api.summary import summarise
from loom.archive.archive import Archive
from loom.archive.stored_descriptors import DescriptorRegistry, StoredDescriptorSource
from loom.decoding.display import DisplayDecoder
from loom.errors import ReloadError
from loom.formats.destination import Destination
from loom.grpcurl.command_builder import CommandBuilder
from loom.inspector import Access, Inspector, InspectorServer, create_app
from loom.inspector.hold_views import describe_breakpoints
from loom.interception import RuleSet
from loom.interception.rule_interceptor import RuleInterceptor
from loom.model import Address, CallIds, Observer, Secrets, Sink
from loom.process_memory import FreeMemory
from loom.proxy.binding import open_sockets
from loom.proxy.breaker import Breaker
from loom.proxy.engine import Engine
from loom.proxy.target import Target
from loom.publishing import TICK_SECONDS, Hub
from loom.recording.recorder import Recorder
from loom.replay.runner import ReplayRunner
from loom.sessions import SessionWriter

from . import wiring
from .fanout import Fanout
from .metrics import Metrics
from .reload import Reloader
from .schema_prefetch import SchemaPrefetch
from .settings import Settings
from .signals import handle_signals
from .stats import StatsCollector
from .tasks import Tasks

_STATS_SECONDS = 1.0
_RELEASE_SECONDS = 60.0
_MAX_RESTORED = 5_000  # calls of previous runs that are loaded at start; a search finds the others
_GC_THRESHOLD = (50_000, 20, 50)
_SWITCH_SECONDS = 0.000_25


class Loom:
    """A proxy with its recorder, session, log and inspector; :meth:`start` it on a running event loop.

    ``observers`` observe calls besides the inspector and the log, such as the console. ``tune`` adjusts the garbage
    collector and thread switching of the process, which is then Loom's alone. ``load`` loads the settings again;
    without it, they stay, and only the files that they name are read again.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        observers: tuple[Observer, ...] = (),
        tune: bool = True,
        load: Callable[[], Settings] | None = None,
    ) -> None:
        self.settings = settings
        self.reloader = Reloader(self, load or (lambda: self.settings))
        self.tasks = Tasks()
        self.boot = secrets.token_hex(4)
        self.token = settings.token or secrets.token_urlsafe(24)
        self.secrets = Secrets(settings.secrets)
        self.history = wiring.history(settings)
        self.hub = Hub(self.boot, summarise)
        self._observers = observers
        self._tunes_process = tune
        self._exit = contextlib.AsyncExitStack()
        self._stopping = asyncio.Event()
        self._ready = False
        self._holds_changed = False  # since the feed said so
        self.ids = CallIds()
        self.engine: Engine
        self.retired: list[Target] = []
        """Targets that were replaced, and still have calls."""
        self.inspector: InspectorServer | None = None
        self.inspector_context: Inspector | None = None
        self._watching: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start the engine and the inspector. :class:`StartError` or :class:`ConfigError` leaves nothing open."""
        try:
            await self._start()
        except BaseException:
            await self.stop(grace=0)
            raise

    async def _start(self) -> None:
        settings = self.settings
        self.target = wiring.target(settings)
        self.server_tls = wiring.server_tls(settings)
        self._exit.push_async_callback(self._close_targets)
        self._exit.push_async_callback(self.tasks.stop)  # before the target's connections close
        self.local = wiring.local_files(settings)
        self.schema = wiring.schema(settings, self.target, self.local)
        self._exit.push_async_callback(self.schema.close)
        self.decoder = DisplayDecoder(self.schema)
        self._exit.push_async_callback(self.decoder.close)
        self.stored_descriptors = StoredDescriptorSource()
        self.schema.sources.append(self.stored_descriptors)
        self.breaker = wiring.breaker(settings)

        self.rule_sources = wiring.rule_sources(settings)
        self.log = wiring.log(settings, self.secrets, self.rule_sources.seed)
        self.store = await asyncio.to_thread(wiring.session, settings, self.schema.kind)
        if self.store is not None:
            await self._restore(self.store)
        self.descriptors = DescriptorRegistry(
            str(settings.target), self.store.put_descriptors if self.store else lambda _: None
        )
        self.schema.on_descriptors(self.descriptors.add_fetched)
        self.schema_prefetch = SchemaPrefetch(self.schema, self.tasks, self.history, self.hub)
        self.schema.on_change(self.schema_prefetch.reset)
        self.target.on_state(partial(self._on_target_state, self.target))
        self.recorder = Recorder(
            self.history, [self.hub, self.schema_prefetch, *self._observers], self.schema.kind
        )
        if self.log is not None:
            self.recorder.observe(self.log)
        self._exit.push_async_callback(asyncio.to_thread, self._close_log)
        self.stats = StatsCollector(
            history=self.history,
            hub=self.hub,
            recorder=self.recorder,
            target=self._target_status,
            breaker=self._breaker_status,
            log=lambda: None if self.log is None else self.log.status(),
            session=self.store.status if self.store else lambda: None,
        )
        self.metrics = Metrics(
            __version__,
            self.stats,
            lambda: None if self.interceptor is None else self.interceptor.rules,
            lambda: None if self.interceptor is None else self.interceptor.holds,
        )
        self.recorder.observe(self.metrics)
        self.sink: Sink = Fanout(self.recorder, self.store) if self.store else self.recorder
        self.interceptor = wiring.interceptor(settings, self.rule_sources, self.schema)
        self.engine = wiring.engine(
            settings,
            self.target,
            self.server_tls,
            self.sink,
            self.ids,
            self.breaker,
            self.schema.kind,
            self.interceptor,
        )
        self.allocate_id = wiring.allocate_after_flush(self.ids, self.engine.flush)
        self.replayer = ReplayRunner(
            self.target, self.sink, self.allocate_id, self.tasks.start, self.own_addresses, self.interceptor
        )
        if settings.ui is not None:
            await self._start_inspector(settings.ui)
        await self.target.check_or_wait(self.own_addresses)
        await self.engine.start()
        if self.interceptor is not None:
            self.interceptor.holds.on_change(self._on_holds_change)
        self.tasks.every(TICK_SECONDS, self._publish, "feed")
        self.watch_files()
        self.tasks.every(_STATS_SECONDS, self._publish_stats, "stats")
        self.tasks.start(self._release_free_memory(), "free memory")
        if self._tunes_process:
            self._tune_process()
        self._ready = True

    async def _release_free_memory(self) -> None:
        memory = FreeMemory()
        while True:
            await asyncio.sleep(_RELEASE_SECONDS)
            await asyncio.to_thread(memory.release_excess)

    async def _restore(self, store: SessionWriter) -> None:
        """Load the last calls of previous runs into the history, with their descriptors and masked keys."""
        self._exit.push_async_callback(asyncio.to_thread, store.close)
        for call in await asyncio.to_thread(store.restore, _MAX_RESTORED, self.history.budget // 4):
            try:
                self.history.restore(call)
            except Exception as error:  # noqa: BLE001 (damage that no check has found)
                store.previous_runs.report(f"{store.path}: call {call.id} could not be read: {error!r}")
        self.ids = CallIds(max(store.last_id, self.history.last_id) + 1)
        if self.settings.engine != "wire":
            store.put_fault_seed(self.ids.first, self.rule_sources.seed)
        self.stored_descriptors.add(await asyncio.to_thread(store.stored_descriptors))
        store.previous_runs.report(*self.stored_descriptors.problems)
        self.secrets.add(await asyncio.to_thread(store.masked))

    def watch_files(self) -> None:
        """Read files of schemas and rules again when they change; those watched before no longer are."""
        for task in self._watching:
            task.cancel()
        self._watching = [self.tasks.start(self.local.run(self.schema.clear), "local schema files")]
        if self.interceptor is not None:
            self._watching.append(self.tasks.start(self._watch_rules(self.interceptor), "files of rules"))

    async def reload(self) -> Reloaded:
        """Load the settings and the files that they name again, while calls go on.

        Raises :class:`loom.errors.ReloadError`, and nothing has changed then.
        """
        return await self.reloader.reload()

    def use_target(self, target: Target, breaker: Breaker | None) -> None:
        """Forward what begins from now on to this target; :attr:`server_tls` and the settings are the new ones."""
        if target is not self.target:
            target.on_state(partial(self._on_target_state, target))
        self.target, self.breaker = target, breaker
        self.replayer.target = target
        self.descriptors.target = str(target.address)
        self.engine.use(target, breaker, self.server_tls)

    async def _close_targets(self) -> None:
        for target in (self.target, *self.retired):
            await target.close()

    def _close_log(self) -> None:
        if self.log is not None:
            self.log.close()

    async def _watch_rules(self, interceptor: RuleInterceptor) -> None:
        def replace(rules: RuleSet) -> None:
            interceptor.rules = rules

        await self.rule_sources.watch(lambda: interceptor.rules, replace)

    def _on_target_state(self, target: Target, state: str) -> None:
        """Invalidate schemas on reconnection: the target may have been replaced by another version."""
        if state == "ready" and target is self.target:
            self.schema.invalidate()

    async def _start_inspector(self, ui: Address) -> None:
        sockets = open_sockets(
            ui, setting="--ui", advice="choose another port with --ui, or disable the inspector with --no-ui"
        )
        server = InspectorServer(sockets)
        self._exit.push_async_callback(server.stop)
        self._exit.callback(self.hub.close)
        inspector = Inspector(
            history=self.history,
            hub=self.hub,
            decoder=self.decoder,
            commands=self.command_builder(),
            replays=self.replayer,
            archive=Archive(
                self.history,
                self.store,
                self.descriptors,
                self.stored_descriptors,
                self.allocate_id,
                self.hub.changed,
                self.secrets,
                destination=self.destination(),
                fault_seeds={} if self.interceptor is None else {self.ids.first: self.rule_sources.seed},
            ),
            secrets=self.secrets,
            access=Access(
                token=self.token,
                required=self.settings.require_token or not ui.is_loopback,
                port=server.port,
                hosts=frozenset(name.lower() for name in (ui.host, *self.settings.ui_host)),
            ),
            stats=self.stats,
            launch=self._launch,
            metrics=self.metrics.exposition,
            ready=self._not_ready,
            on_clear=lambda: self.store.clear(self.history.last_id) if self.store else None,
            flush=self.flush,
            interceptor=self.interceptor,
            rule_sources=self.rule_sources,
            reload=self.reload,
        )
        await server.start(create_app(inspector))
        self.inspector_context = inspector
        self.inspector = server

    def command_builder(self) -> CommandBuilder:
        """The builder of grpcurl commands."""
        return wiring.command_builder(self.settings, self.schema, self.secrets, lambda: self.listen_address)

    def destination(self) -> Destination:
        """Where the calls of an exported script are sent."""
        return Destination(wiring.target_endpoint(self.settings), (self.engine.port,))

    def own_addresses(self) -> list[Address]:
        """The addresses that Loom and its replays must not dial."""
        return [self.listen_address, *([self.ui_address] if self.ui_address else [])]

    def _launch(self) -> Launch:
        return Launch(
            version=__version__,
            listen=str(self.listen_address),
            ui=str(self.ui_address),
            target=str(self.settings.target),
            engine=self.settings.engine,
        )

    def _target_status(self) -> TargetStatus:
        settings, target = self.settings, self.target
        return TargetStatus(
            str(settings.target), settings.target_uses_tls, settings.insecure, target.state, target.error
        )

    def _breaker_status(self) -> BreakerStatus | None:
        return None if self.breaker is None else msgspec.convert(self.breaker.snapshot(), BreakerStatus)

    def _not_ready(self) -> str | None:
        if self._stopping.is_set():
            return "draining"
        return None if self._ready else "starting"

    def _on_holds_change(self) -> None:
        self._holds_changed = True

    def _publish(self) -> None:
        self.hub.tick()
        if self._holds_changed and self.interceptor is not None:
            self._holds_changed = False
            if self.hub.subscribers:
                self.hub.send("breakpoints", describe_breakpoints(self.interceptor.holds))

    def _publish_stats(self) -> None:
        self.hub.rates.roll(self.stats().now_us, self.history.live)
        if self.hub.subscribers:
            self.hub.send("stats", self.stats())

    def _tune_process(self) -> None:
        # Objects of start-up live on, and recorded calls have few reference cycles: collect less often.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLD)
        # Forwarding threads must not wait long for the one that records and publishes.
        sys.setswitchinterval(_SWITCH_SECONDS)

    @property
    def listen_address(self) -> Address:
        """The address that clients connect to, with the actual port."""
        return Address(self.settings.listen.host, self.engine.port or self.settings.listen.port)

    @property
    def ui_address(self) -> Address | None:
        """The address of the inspector, with the actual port; None without one."""
        if self.settings.ui is None or self.inspector is None:
            return None
        return Address(self.settings.ui.host, self.inspector.port)

    @property
    def page_url(self) -> str | None:
        """The URL of the page, with the token; None without an inspector."""
        address = self.ui_address
        if address is None:
            return None
        host = "localhost" if address.host in {"0.0.0.0", "::"} else address.host  # noqa: S104 (compared, not bound)
        return f"http://{Address(host, address.port)}/?token={self.token}"

    def flush(self) -> None:
        """Flush the engine's event buffer, so that every call that its client has seen end is recorded."""
        self.engine.flush()

    async def run_until_stopped(self) -> None:
        """Wait for a signal within :meth:`signals`, then stop."""
        await self._stopping.wait()
        await self.stop()

    async def stop(self, grace: float | None = None) -> None:
        """Let open calls end within ``grace`` seconds (default: the setting ``drain``), then stop everything."""
        self._stopping.set()
        if self._ready:
            self._ready = False
            if self.interceptor is not None:
                self.interceptor.holds.close()
            await self.engine.stop(self.settings.drain if grace is None else grace)
            self.hub.tick()
        await self._exit.aclose()

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Handle the signals of :mod:`.signals`, of which the second SIGINT or SIGTERM cancels the current task."""
        with handle_signals(self._stopping, lambda: self.tasks.start(self._reload_or_log(), "reload")):
            yield

    async def _reload_or_log(self) -> None:
        with contextlib.suppress(ReloadError):  # it has been logged
            await self.reload()
