"""Factories of the parts of a Loom, from settings. Files that settings name are read here."""

import logging
from collections.abc import Callable
from pathlib import Path
from secrets import randbelow

from loom.errors import ConfigError, StartError
from loom.grpcurl.command_builder import CommandBuilder
from loom.interception import RuleSet
from loom.interception.loop_scheduler import LoopScheduler, SchemaTypes
from loom.interception.rule_interceptor import RuleInterceptor
from loom.interception.rule_sources import RuleSources
from loom.memory_limit import budget_problem, history_budget, memory_limit
from loom.model import Address, CallIds, Endpoint, Kind, Secrets, Sink
from loom.model.interception import Interceptor
from loom.proxy.breaker import Breaker
from loom.proxy.engine import Engine, ServerTls, TargetTls
from loom.proxy.target import Target
from loom.recording.call_log import CallLog
from loom.recording.history import History
from loom.schema import LocalSources, Schema, Source
from loom.schema.reflection import ReflectionSource
from loom.sessions import SessionWriter, check_name, session_path, sessions_directory
from loom.sessions.writer import DEFAULT_QUEUE_BUDGET
from loom.units import format_count

from .settings import Settings

_log = logging.getLogger(__name__)

_RELAY_BYTES = 4 * 1024 * 1024 * 1024  # beside the history
_RELAY_SHARE = 8  # all but this part of a memory limit
_QUEUE_SHARE = 8  # of a memory limit, for events that wait for the disk
_SEEDS = 10**6  # short enough to be typed


def _read(path: Path | None, setting: str) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise StartError(f"--{setting} {path}: {error.strerror}") from error


def target_endpoint(settings: Settings) -> Endpoint:
    """The target, and how a client on this machine connects to it."""
    return Endpoint(
        settings.target,
        tls=settings.target_uses_tls,
        ca_file=_absolute(settings.cacert),
        cert_file=_absolute(settings.cert),
        key_file=_absolute(settings.key),
        server_name=settings.server_name or "",
        authority=settings.authority or "",
        insecure=settings.insecure,
    )


def _absolute(file: Path | None) -> str:
    return "" if file is None else str(file.absolute())


def target_tls(settings: Settings) -> TargetTls | None:
    """Return the TLS configuration of the target, or None for cleartext."""
    _check_scheme(settings)
    endpoint = target_endpoint(settings)
    if not endpoint.tls:
        return None
    if bool(endpoint.cert_file) != bool(endpoint.key_file):
        raise ConfigError("--cert and --key require each other: pass both, or neither")
    return TargetTls(
        ca=_read(settings.cacert, "cacert"),
        cert=_read(settings.cert, "cert"),
        key=_read(settings.key, "key"),
        server_name=endpoint.server_name or None,
        insecure=settings.insecure,
    )


def _check_scheme(settings: Settings) -> None:
    """Raise :class:`ConfigError` if the target's scheme says another thing about TLS than the settings do."""
    scheme_tls = settings.target.tls
    if scheme_tls is False:
        for name in ("tls", "cacert", "cert", "server_name", "insecure"):
            if getattr(settings, name):
                flag = name.replace("_", "-")
                raise ConfigError(
                    f"--target http://{settings.target} is cleartext: use https://, or drop --{flag}"
                )
    elif scheme_tls and settings.tls is False:
        raise ConfigError(f"--target https://{settings.target} is TLS: use http://, or drop --no-tls")


def server_tls(settings: Settings) -> ServerTls | None:
    """Return the TLS configuration of the listening side, or None for cleartext."""
    if settings.listen_cert is None and settings.listen_key is None:
        if settings.listen_client_ca is not None:
            raise ConfigError("--listen-client-ca requires --listen-cert and --listen-key")
        return None
    cert, key = _read(settings.listen_cert, "listen-cert"), _read(settings.listen_key, "listen-key")
    if cert is None or key is None:
        raise ConfigError("--listen-cert and --listen-key require each other: pass both, or neither")
    return ServerTls(cert, key, _read(settings.listen_client_ca, "listen-client-ca"))


def target(settings: Settings) -> Target:
    """Return the target, which need not be up."""
    return Target(
        settings.target,
        target_tls(settings),
        settings.authority,
        settings.metadata_limit,
        settings.keepalive,
    )


def breaker(settings: Settings) -> Breaker | None:
    """Return the circuit breaker; None with ``--breaker off`` and with the wire engine, which forwards bytes."""
    if settings.breaker is None or settings.engine == "wire":
        return None
    return Breaker(settings.breaker, settings.breaker_pause)


def engine(
    settings: Settings,
    target: Target,
    server_tls: ServerTls | None,
    sink: Sink,
    ids: CallIds,
    breaker: Breaker | None,
    kind_of: Callable[[str], Kind | None],
    interceptor: Interceptor | None = None,
) -> Engine:
    """Return the engine of the setting ``engine``, whose package is imported only then."""
    if settings.engine == "wire":
        from loom.proxy.wire import WireEngine  # noqa: PLC0415 (start-up imports one engine, not both)

        return WireEngine(
            settings.listen,
            settings.target,
            sink,
            ids,
            server_tls=server_tls,
            target_tls=target.tls,
            dialer=target.dialer,
        )
    from loom.proxy.relay import RelayEngine  # noqa: PLC0415

    return RelayEngine(
        settings.listen,
        target,
        sink,
        ids,
        server_tls=server_tls,
        metadata_limit=settings.metadata_limit,
        keepalive=settings.keepalive,
        breaker=breaker,
        kind_of=kind_of,
        interceptor=interceptor,
        memory_limit=relay_memory_limit(settings),
    )


def relay_memory_limit(settings: Settings) -> int:
    """The bytes of memory past which the relay refuses calls."""
    limit = memory_limit()
    most = history_budget(settings.history_bytes, limit) + _RELAY_BYTES
    return most if limit is None else min(most, limit // _RELAY_SHARE * (_RELAY_SHARE - 1))


def rule_sources(settings: Settings) -> RuleSources:
    """Return the sources of rules, with the seed of the setting ``fault_seed`` or a random one."""
    seed = settings.fault_seed or randbelow(_SEEDS) + 1
    return RuleSources(settings.rules, settings.fault, seed, fault_headers=settings.fault_headers)


def interceptor(settings: Settings, sources: RuleSources, schema: Schema) -> RuleInterceptor | None:
    """Return what applies the rules; None with the wire engine. Raises as :func:`rules` does."""
    rule_set = rules(settings, sources)
    return (
        None if settings.engine == "wire" else RuleInterceptor(rule_set, LoopScheduler(), SchemaTypes(schema))
    )


def rules(settings: Settings, sources: RuleSources) -> RuleSet:
    """Load the rules; raises :class:`LoomError` for errors in them, and for rules that the engine cannot apply."""
    rule_set = sources.load()
    if settings.engine == "wire" and (settings.rules or settings.fault):
        flag = f"--rules {settings.rules[0]}" if settings.rules else "--fault"
        what = "rules"
        if rule_set.active:
            first = rule_set.active[0].rule
            flag = f"--rules {first.origin.path}" if first.origin.path else "--fault"
            what = f"the {first.kind} {first.name!r}"
            if len(rule_set.active) > 1:
                what += f" and {format_count(len(rule_set.active) - 1, 'other')}"
        raise ConfigError(
            f"{flag}: the wire engine forwards bytes unchanged and cannot apply {what}; "
            "the relay engine can: --engine relay"
        )
    return rule_set


def allocate_after_flush(ids: CallIds, flush: Callable[[], None]) -> Callable[[], int]:
    """An allocator of ids for calls that are emitted at once, past the engine's event buffer.

    Flushing the buffer first keeps the order of ids: see :class:`loom.model.Sink`.
    """

    def allocate_id() -> int:
        flush()
        return ids.allocate()

    return allocate_id


def history(settings: Settings) -> History:
    """Return an empty history; log that its budget does not fit into the process's memory limit."""
    limit = memory_limit()
    budget = history_budget(settings.history_bytes, limit)
    if problem := budget_problem(budget, limit):
        _log.warning("%s", problem)
    return History(budget)


def session(settings: Settings, kind_of: Callable[[str], Kind | None]) -> SessionWriter | None:
    """Return the session's writer; None with ``--no-session``. Its errors are in its status."""
    if settings.session is None:
        return None
    path = session_path(check_name(settings.session), sessions_directory(settings.data_dir))
    limit = memory_limit()
    queue_budget = DEFAULT_QUEUE_BUDGET if limit is None else min(DEFAULT_QUEUE_BUDGET, limit // _QUEUE_SHARE)
    store = SessionWriter(
        path, budget=settings.session_bytes, queue_budget=queue_budget, declared_kind=kind_of
    )
    store.mask(settings.mask)
    store.open()
    return store


def log(settings: Settings, secrets: Secrets, fault_seed: int) -> CallLog | None:
    """Return the NDJSON log, whose header has the seed where something can act; None without ``--log``."""
    if settings.log is None:
        return None
    log = CallLog(settings.log, secrets, None if settings.engine == "wire" else fault_seed)
    log.start()
    if log.error:
        raise StartError(f"--log {settings.log}: {log.error}")
    return log


def local_files(settings: Settings) -> LocalSources:
    """Return the sources of proto files and descriptor sets, which :meth:`LocalSources.run` loads."""
    return LocalSources(settings.proto, settings.import_path, settings.protoset)


def schema_sources(settings: Settings, target: Target, local: LocalSources) -> list[Source]:
    """Return the sources of descriptors in order: reflection, proto files, descriptor sets."""
    sources: list[Source] = []
    if settings.reflection:
        sources.append(
            ReflectionSource(target.own_channel, str(settings.target), metadata=settings.reflection_header)
        )
    return [*sources, *local.sources]


def schema(settings: Settings, target: Target, local: LocalSources) -> Schema:
    """Return the schema with these sources."""
    return Schema(schema_sources(settings, target, local))


def command_builder(
    settings: Settings, schema: Schema, secrets: Secrets, listen_address: Callable[[], Address]
) -> CommandBuilder:
    """Return the builder of grpcurl commands to the target, or through this Loom."""

    def loom_endpoint() -> Endpoint:
        # The certificate is its own root: most that Loom is given are self-signed.
        return Endpoint(
            listen_address(), tls=settings.listen_cert is not None, ca_file=_absolute(settings.listen_cert)
        )

    return CommandBuilder(
        schema, secrets, target_endpoint(settings), loom_endpoint, settings.reflection_header
    )
