"""Every setting of Loom, once: flags, variables, keys of loom.toml, help and reference come from here.

A field ``history_bytes`` is the flag ``--history-bytes``, the variable ``LOOM_HISTORY_BYTES``
and the key ``history-bytes``. Where they come from and which wins: :mod:`loom.runtime.config_loading`.
"""

import dataclasses
import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from loom.model import DEFAULT_SECRETS, Address

from . import option_types as forms
from .option_types import Form

_DEMO_SESSION = "demo"
_DEMO_DRAIN = 0.3  # its radio watch never ends by itself


class Section(enum.StrEnum):
    """The headings of ``--help`` and of docs/configuration.md."""

    TRAFFIC = "Traffic"
    TARGET_TLS = "TLS towards the target"
    LISTEN_TLS = "TLS on the listening side"
    PAGE = "The page"
    SCHEMA = "Schema"
    RECORDING = "Recording"
    CONSOLE = "Console"


@dataclass(frozen=True, slots=True)
class Option:
    """What is known of one setting beside its value. ``default_text`` explains a default of None."""

    name: str
    form: Form
    default: Any
    help: str
    section: Section
    default_text: str = ""

    @property
    def key(self) -> str:
        """The key in loom.toml."""
        return self.name.replace("_", "-")

    @property
    def flag(self) -> str:
        return f"--{self.key}"

    @property
    def negative(self) -> str | None:
        """The flag that says no: for switches that are on or undecided, and for what can be ``off``."""
        if self.form.switch:
            return None if self.default is False else f"--no-{self.key}"
        return f"--no-{self.key}" if self.form.metavar.endswith(f"|{forms.OFF}") else None

    @property
    def variable(self) -> str:
        return f"LOOM_{self.name.upper()}"

    @property
    def shown_default(self) -> str:
        """The default as a person would write it, or in words."""
        if self.default_text:
            return self.default_text
        return "" if self.default in (None, ()) else self.form.show(self.default)


@dataclass(frozen=True, slots=True)
class _Written:
    """How a field of :class:`Settings` is written and explained."""

    form: Form
    section: Section
    help: str
    default_text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a Loom is started with. Made by :func:`loom.runtime.config_loading.load`, or directly in tests."""

    target: Annotated[
        Address, _Written(forms.ADDRESS, Section.TRAFFIC, "The backend that calls are forwarded to.")
    ] = Address("localhost", 50051)
    listen: Annotated[
        Address,
        _Written(
            forms.ADDRESS,
            Section.TRAFFIC,
            "Where clients reach Loom; localhost is both loopback addresses, port 0 any free port.",
        ),
    ] = Address("localhost", 9999)
    demo: Annotated[
        bool,
        _Written(
            forms.FLAG,
            Section.TRAFFIC,
            "Bring a backend and traffic along: nothing else is needed to look around.",
        ),
    ] = False
    engine: Annotated[
        str,
        _Written(
            forms.choice("relay", "wire"),
            Section.TRAFFIC,
            "relay makes a call of its own for each of the client's; wire passes every byte on untouched.",
        ),
    ] = "relay"
    authority: Annotated[
        str | None,
        _Written(
            forms.TEXT,
            Section.TRAFFIC,
            "The :authority that the target is told (relay only).",
            "the target's address",
        ),
    ] = None
    metadata_limit: Annotated[
        int,
        _Written(
            forms.SIZE, Section.TRAFFIC, "The most metadata that one call may carry each way (relay only)."
        ),
    ] = 1024 * 1024
    breaker: Annotated[
        int | None,
        _Written(
            forms.COUNT.or_off(),
            Section.TRAFFIC,
            "After so many failures in a row to reach the target, answer at once for a while (relay only).",
        ),
    ] = 5
    breaker_pause: Annotated[
        float,
        _Written(
            forms.SECONDS,
            Section.TRAFFIC,
            "How long the breaker stays open before one call tries the target again.",
        ),
    ] = 1.0
    drain: Annotated[
        float,
        _Written(
            forms.SECONDS,
            Section.TRAFFIC,
            "How long calls under way may take to end after Ctrl-C or SIGTERM.",
        ),
    ] = 3.0

    tls: Annotated[
        bool | None,
        _Written(
            forms.FLAG,
            Section.TARGET_TLS,
            "Speak TLS to the target, trusting the system's certificate authorities.",
            "on if one of the settings below is given",
        ),
    ] = None
    cacert: Annotated[
        Path | None,
        _Written(
            forms.FILE, Section.TARGET_TLS, "Trust this certificate authority (PEM) instead of the system's."
        ),
    ] = None
    cert: Annotated[
        Path | None,
        _Written(
            forms.FILE, Section.TARGET_TLS, "Show this client certificate (PEM) to the target; needs --key."
        ),
    ] = None
    key: Annotated[
        Path | None, _Written(forms.FILE, Section.TARGET_TLS, "The client certificate's private key (PEM).")
    ] = None
    server_name: Annotated[
        str | None,
        _Written(
            forms.NAME,
            Section.TARGET_TLS,
            "The name that the target's certificate must carry.",
            "the target's host",
        ),
    ] = None

    listen_cert: Annotated[
        Path | None,
        _Written(
            forms.FILE,
            Section.LISTEN_TLS,
            "Speak TLS to clients with this certificate (PEM); needs --listen-key.",
        ),
    ] = None
    listen_key: Annotated[
        Path | None,
        _Written(forms.FILE, Section.LISTEN_TLS, "The listening certificate's private key (PEM)."),
    ] = None
    listen_client_ca: Annotated[
        Path | None,
        _Written(forms.FILE, Section.LISTEN_TLS, "Ask clients for a certificate of this authority (PEM)."),
    ] = None

    ui: Annotated[
        Address | None, _Written(forms.ADDRESS.or_off(), Section.PAGE, "Where the page and its API are.")
    ] = Address("localhost", 9998)
    ui_host: Annotated[
        tuple[str, ...],
        _Written(
            forms.NAME.repeated(),
            Section.PAGE,
            "A further name under which the page may be opened, beside localhost and IP addresses.",
        ),
    ] = ()
    token: Annotated[
        str | None,
        _Written(
            forms.TEXT,
            Section.PAGE,
            "The page's token; asked for when --ui listens wider than loopback.",
            "a new one each launch",
        ),
    ] = None
    require_token: Annotated[
        bool,
        _Written(
            forms.FLAG, Section.PAGE, "Ask for the token on loopback too, where others share the machine."
        ),
    ] = False

    reflection: Annotated[
        bool,
        _Written(
            forms.FLAG,
            Section.SCHEMA,
            "Ask the target's reflection service for what local files do not describe.",
        ),
    ] = True
    reflection_header: Annotated[
        tuple[tuple[str, str], ...],
        _Written(
            forms.METADATA.repeated(),
            Section.SCHEMA,
            "Metadata for reflection only, where it wants to be authorised.",
        ),
    ] = ()
    proto: Annotated[
        tuple[Path, ...],
        _Written(
            forms.PATH.repeated(),
            Section.SCHEMA,
            "A .proto file, or a directory of them, watched for changes.",
        ),
    ] = ()
    import_path: Annotated[
        tuple[Path, ...],
        _Written(
            forms.PATH.repeated(),
            Section.SCHEMA,
            "Where imports of .proto files are looked for.",
            "the directory of each --proto",
        ),
    ] = ()
    protoset: Annotated[
        tuple[Path, ...],
        _Written(
            forms.FILE.repeated(),
            Section.SCHEMA,
            "A FileDescriptorSet, as protoc --descriptor_set_out writes it.",
        ),
    ] = ()

    history_bytes: Annotated[
        int,
        _Written(forms.SIZE, Section.RECORDING, "How much is kept in memory; past it the oldest calls go."),
    ] = 256 * 1024 * 1024
    session: Annotated[
        str | None,
        _Written(
            forms.NAME.or_off(), Section.RECORDING, "The session on disk that calls are kept in across runs."
        ),
    ] = "default"
    session_bytes: Annotated[
        int,
        _Written(forms.SIZE, Section.RECORDING, "How much a session keeps on disk; past it the oldest go."),
    ] = 1024 * 1024 * 1024
    data_dir: Annotated[
        Path | None,
        _Written(forms.FOLDER, Section.RECORDING, "Where sessions are kept.", "the user's data directory"),
    ] = None
    log: Annotated[
        Path | None,
        _Written(
            forms.NEW_FILE,
            Section.RECORDING,
            "Append every finished call to this file, one JSON object a line.",
        ),
    ] = None
    mask: Annotated[
        tuple[str, ...],
        _Written(
            forms.METADATA_KEY.repeated(),
            Section.RECORDING,
            f"A metadata key whose values are masked, beside {', '.join(DEFAULT_SECRETS)}; may end in *.",
        ),
    ] = ()

    quiet: Annotated[bool, _Written(forms.FLAG, Section.CONSOLE, "Print no line per call.")] = False
    verbose: Annotated[
        bool,
        _Written(
            forms.FLAG, Section.CONSOLE, "Print a line when a call starts too, and what Loom does inside."
        ),
    ] = False
    color: Annotated[
        bool | None,
        _Written(
            forms.FLAG,
            Section.CONSOLE,
            "Colour the lines.",
            "on if the output is a terminal and NO_COLOR is not set",
        ),
    ] = None

    @property
    def target_uses_tls(self) -> bool:
        """Whether the target is spoken to in TLS: asked for, or implied by what only TLS needs."""
        if self.tls is not None:
            return self.tls
        return any((self.cacert, self.cert, self.server_name))

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every masked metadata key."""
        return (*DEFAULT_SECRETS, *self.mask)

    def for_demo(self, target: Address, session_given: bool) -> "Settings":
        """The same for the demo's own backend: cleartext, and a session of its own unless one was named."""
        session = self.session if session_given or self.session is None else _DEMO_SESSION
        return dataclasses.replace(
            self,
            target=target,
            session=session,
            drain=min(self.drain, _DEMO_DRAIN),
            tls=False,
            cacert=None,
            cert=None,
            key=None,
            server_name=None,
            authority=None,
        )


def options() -> tuple[Option, ...]:
    """All settings, in the order of the help."""
    hints = get_type_hints(Settings, include_extras=True)
    found = []
    for field in dataclasses.fields(Settings):
        written: _Written = hints[field.name].__metadata__[0]
        found.append(
            Option(
                field.name, written.form, field.default, written.help, written.section, written.default_text
            )
        )
    return tuple(found)
