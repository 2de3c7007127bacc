"""Every setting of Loom: the one source of flags, variables, keys of loom.toml, help and reference.

A field ``history_bytes`` is the flag ``--history-bytes``, the variable ``LOOM_HISTORY_BYTES``
and the key ``history-bytes``. Its annotation says when a change of it takes effect in a Loom that runs
(:class:`.option_spec.Effect`). Sources and precedence: :mod:`loom.runtime.config_loading`.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from loom.model import DEFAULT_SECRETS, Address

from . import option_types as types
from .option_spec import Option, Section, at_once, at_restart, new_connections

_DEMO_SESSION = "demo"
_DEMO_DRAIN = 0.3  # seconds; one of its streams never ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The configuration of one Loom process, loaded by :func:`loom.runtime.config_loading.load`."""

    target: Annotated[
        Address, new_connections(types.TARGET, Section.TRAFFIC, "The backend to forward calls to.")
    ] = Address("localhost", 50051)
    listen: Annotated[
        Address,
        at_restart(
            types.ADDRESS,
            Section.TRAFFIC,
            "The address to listen on; localhost means both loopback addresses, port 0 any free port.",
        ),
    ] = Address("localhost", 9999)
    demo: Annotated[
        bool,
        at_restart(
            types.SWITCH,
            Section.TRAFFIC,
            "Start a demo backend and demo traffic, to try Loom without a backend of your own.",
        ),
    ] = False
    engine: Annotated[
        str,
        at_restart(
            types.choice("relay", "wire"),
            Section.TRAFFIC,
            "relay makes one call to the target per client call; wire forwards bytes unchanged and parses a copy.",
        ),
    ] = "relay"
    authority: Annotated[
        str | None,
        new_connections(
            types.TEXT,
            Section.TRAFFIC,
            "The :authority to send to the target in every call (relay only).",
            "the target's address, or what the client has set itself",
        ),
    ] = None
    metadata_limit: Annotated[
        int,
        at_restart(
            types.SIZE, Section.TRAFFIC, "Maximum size of a call's metadata, per direction (relay only)."
        ),
    ] = 1024 * 1024
    keepalive: Annotated[
        float | None,
        at_restart(
            types.INTERVAL.or_off(),
            Section.TRAFFIC,
            "Ping clients and the target when a call has been silent for this long, and disconnect those that do not"
            " answer (relay only). The target must permit it: most refuse less than five minutes by default.",
        ),
    ] = None
    breaker: Annotated[
        int | None,
        at_once(
            types.COUNT.or_off(),
            Section.TRAFFIC,
            "Circuit breaker: fail fast after N consecutive connection failures (relay only).",
        ),
    ] = 5
    breaker_pause: Annotated[
        float,
        at_once(
            types.DURATION,
            Section.TRAFFIC,
            "How long the circuit breaker stays open before it lets one call through (relay only).",
        ),
    ] = 1.0
    drain: Annotated[
        float,
        at_once(
            types.DURATION,
            Section.TRAFFIC,
            "Grace period for open calls after SIGINT (Ctrl-C) or SIGTERM.",
        ),
    ] = 3.0

    tls: Annotated[
        bool | None,
        new_connections(
            types.SWITCH,
            Section.TARGET_TLS,
            "Connect to the target over TLS, verified against the system's root certificates.",
            "on for https:// targets, or if --cacert, --cert, --server-name or --insecure is set",
        ),
    ] = None
    cacert: Annotated[
        Path | None,
        new_connections(
            types.FILE,
            Section.TARGET_TLS,
            "Root certificates (PEM) to verify the target with, instead of the system's.",
        ),
    ] = None
    cert: Annotated[
        Path | None,
        new_connections(
            types.FILE, Section.TARGET_TLS, "Client certificate (PEM) for the target; requires --key."
        ),
    ] = None
    key: Annotated[
        Path | None,
        new_connections(types.FILE, Section.TARGET_TLS, "Private key (PEM) of the client certificate."),
    ] = None
    server_name: Annotated[
        str | None,
        new_connections(
            types.NAME,
            Section.TARGET_TLS,
            "Host name to verify the target's certificate against.",
            "the target's host",
        ),
    ] = None

    insecure: Annotated[
        bool,
        new_connections(
            types.SWITCH,
            Section.TARGET_TLS,
            "Connect over TLS without verifying the target's certificate, for test systems only.",
        ),
    ] = False

    listen_cert: Annotated[
        Path | None,
        new_connections(
            types.FILE,
            Section.LISTEN_TLS,
            "Accept TLS only, with this server certificate (PEM); requires --listen-key.",
        ),
    ] = None
    listen_key: Annotated[
        Path | None,
        new_connections(types.FILE, Section.LISTEN_TLS, "Private key (PEM) of the server certificate."),
    ] = None
    listen_client_ca: Annotated[
        Path | None,
        new_connections(
            types.FILE, Section.LISTEN_TLS, "Require client certificates issued by these authorities (PEM)."
        ),
    ] = None

    rules: Annotated[
        tuple[Path, ...],
        at_once(
            types.FILE.repeatable(),
            Section.ACTING,
            "A file of rules and faults (TOML or JSON), applied to calls; reloaded when changed (relay only).",
        ),
    ] = ()
    fault: Annotated[
        tuple[str, ...],
        at_once(
            types.FAULT,
            Section.ACTING,
            "A fault to inject into the calls that match a filter, as in 'method:GetOrder :: status=UNAVAILABLE'"
            " (relay only).",
        ),
    ] = ()
    fault_headers: Annotated[
        bool,
        at_once(
            types.SWITCH,
            Section.ACTING,
            "Let clients ask for faults with the metadata of Envoy's fault filter (x-envoy-fault-abort-grpc-request "
            "and others), which is not forwarded then (relay only).",
        ),
    ] = False
    fault_seed: Annotated[
        int | None,
        at_restart(
            types.COUNT,
            Section.ACTING,
            "The seed that decides which calls a percent selects (relay only).",
            "random, printed at start",
        ),
    ] = None

    ui: Annotated[
        Address | None,
        at_restart(
            types.ADDRESS.or_off(), Section.INSPECTOR, "The address of the inspector (page and HTTP API)."
        ),
    ] = Address("localhost", 9998)
    ui_host: Annotated[
        tuple[str, ...],
        at_restart(
            types.NAME.repeatable(),
            Section.INSPECTOR,
            "An additional host name accepted for the inspector, besides localhost and IP addresses.",
        ),
    ] = ()
    token: Annotated[
        str | None,
        at_restart(
            types.TEXT,
            Section.INSPECTOR,
            "The inspector's access token; required if --ui is not a loopback address.",
            "random, new at each start",
        ),
    ] = None
    require_token: Annotated[
        bool,
        at_restart(
            types.SWITCH,
            Section.INSPECTOR,
            "Require the token on loopback too, for machines with several users.",
        ),
    ] = False

    reflection: Annotated[
        bool,
        at_once(
            types.SWITCH,
            Section.SCHEMA,
            "Use the target's reflection service for types that local files do not define.",
        ),
    ] = True
    reflection_header: Annotated[
        tuple[tuple[str, str], ...],
        at_once(
            types.METADATA.repeatable(),
            Section.SCHEMA,
            "Metadata for reflection calls only, e.g. authorization.",
        ),
    ] = ()
    proto: Annotated[
        tuple[Path, ...],
        at_once(
            types.PATH.repeatable(),
            Section.SCHEMA,
            "A .proto file, or a directory of them; reloaded when changed.",
        ),
    ] = ()
    import_path: Annotated[
        tuple[Path, ...],
        at_once(
            types.PATH.repeatable(),
            Section.SCHEMA,
            "Import directory for .proto files, as protoc's -I.",
            "the directory of each --proto",
        ),
    ] = ()
    protoset: Annotated[
        tuple[Path, ...],
        at_once(
            types.FILE.repeatable(),
            Section.SCHEMA,
            "A descriptor set, as written by protoc --descriptor_set_out.",
        ),
    ] = ()

    history_bytes: Annotated[
        int | None,
        at_restart(
            types.SIZE,
            Section.RECORDING,
            "Memory budget for calls; the oldest are evicted first.",
            "256MiB, or a quarter of a container's memory limit if that is less",
        ),
    ] = None
    session: Annotated[
        str | None,
        at_restart(
            types.NAME.or_off(),
            Section.RECORDING,
            "The session that calls are stored in on disk, across runs.",
        ),
    ] = "default"
    session_bytes: Annotated[
        int,
        at_restart(
            types.SIZE, Section.RECORDING, "Disk budget of a session; the oldest calls are pruned first."
        ),
    ] = 1024 * 1024 * 1024
    data_dir: Annotated[
        Path | None,
        at_restart(
            types.DIRECTORY, Section.RECORDING, "Directory of the sessions.", "the user's data directory"
        ),
    ] = None
    log: Annotated[
        Path | None,
        at_once(
            types.NEW_FILE,
            Section.RECORDING,
            "Append each finished call to this file, one JSON object per line.",
        ),
    ] = None
    mask: Annotated[
        tuple[str, ...],
        at_once(
            types.METADATA_KEY.repeatable(),
            Section.RECORDING,
            f"A metadata key to mask, besides {', '.join(DEFAULT_SECRETS)}; may end in *.",
        ),
    ] = ()

    quiet: Annotated[bool, at_restart(types.SWITCH, Section.CONSOLE, "Do not print a line per call.")] = False
    verbose: Annotated[
        bool,
        at_restart(
            types.SWITCH, Section.CONSOLE, "Also print a line when a call starts, and Loom's debug log."
        ),
    ] = False
    color: Annotated[
        bool | None,
        at_restart(
            types.SWITCH,
            Section.CONSOLE,
            "Colour the output.",
            "on if stdout is a terminal and NO_COLOR is not set",
        ),
    ] = None

    @property
    def target_uses_tls(self) -> bool:
        """Whether to connect to the target over TLS: ``tls`` if set, else what the target or other settings imply."""
        if self.tls is not None:
            return self.tls
        if self.target.tls is not None:
            return self.target.tls
        return any((self.cacert, self.cert, self.server_name, self.insecure))

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every metadata key to mask."""
        return (*DEFAULT_SECRETS, *self.mask)

    def for_demo(self, target: Address, *, has_session: bool) -> "Settings":
        """Return a copy for the demo backend at ``target``: cleartext, and the session ``demo``.

        ``has_session`` says that the user chose a session, which is kept then.
        """
        session = self.session if has_session or self.session is None else _DEMO_SESSION
        unset: dict[str, Any] = dict.fromkeys(("cacert", "cert", "key", "server_name", "authority"))
        return dataclasses.replace(
            self,
            target=target,
            session=session,
            drain=min(self.drain, _DEMO_DRAIN),
            tls=False,
            insecure=False,
            **unset,
        )


def options() -> tuple[Option, ...]:
    """All settings, in the order of ``--help``."""
    hints = get_type_hints(Settings, include_extras=True)
    return tuple(
        Option(field.name, field.default, hints[field.name].__metadata__[0])
        for field in dataclasses.fields(Settings)
    )
