"""Load settings: flags override ``LOOM_*`` variables, which override ``loom.toml``.

The file is the one that ``--config`` or ``LOOM_CONFIG`` names, else ``loom.toml`` in the working directory, else
``loom.toml`` in the user's configuration directory. A file that was merely found in the working directory may have
come with somebody else's project: it may not make Loom reachable, choose its token, or choose where it writes.
"""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from loom.errors import ConfigError
from loom.model import Address

from .option_spec import Option
from .settings import Settings, options

FILE_NAME = "loom.toml"
CONFIG_VARIABLE = "LOOM_CONFIG"
RELAY_ONLY = (
    "authority",
    "metadata_limit",
    "keepalive",
    "breaker",
    "breaker_pause",
    "fault_headers",
    "fault_seed",
)
"""Settings that change or limit traffic, which the wire engine does not, but for rules, whose names its error has."""
UNTRUSTED_KEYS = ("token", "ui_host", "log", "data_dir")
"""Settings that a file found in the working directory may not have."""
LOOPBACK_KEYS = ("listen", "ui")
"""Settings that must be loopback addresses in a file found in the working directory."""
DEMO_CONFLICTS = ("target", "tls", "cacert", "cert", "key", "server_name", "insecure", "authority")
_TLS_ONLY = ("cacert", "cert", "server_name", "insecure")
_REQUIREMENTS = (
    ("cert", "key"),
    ("key", "cert"),
    ("listen_cert", "listen_key"),
    ("listen_key", "listen_cert"),
    ("listen_client_ca", "listen_cert"),
)
_DEPENDENCIES = (
    ("breaker_pause", "breaker"),
    ("ui_host", "ui"),
    ("require_token", "ui"),
    ("reflection_header", "reflection"),
    ("session_bytes", "session"),
)
"""A setting, and the one without which it has no effect."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings, the source of each that is not the default (by field name), and the file that was read."""

    settings: Settings
    origins: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class _ConfigFile:
    """``is_trusted`` unless it was merely found in the working directory."""

    path: Path
    is_trusted: bool


def load(
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    *,
    config: Path | None = None,
    cwd: Path | None = None,
    user_dir: Path | None = None,
) -> Configuration:
    """Load every setting; ``flags`` maps field names to the raw values of the flags that are present.

    Raises :class:`ConfigError`, whose text names the source, the key and the values allowed.
    """
    working_dir = cwd or Path.cwd()
    file = _find_file(environ, config, working_dir, user_dir)
    all_options = options()
    toml = _read_file(file.path, all_options) if file else {}
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for option in all_options:
        file_origin = f"{file.path}: {option.key}" if file else ""
        for origin, raw, base in (
            (option.flag, flags.get(option.name), working_dir),
            # Empty means unset, as containers and CI systems write it.
            (f"variable {option.variable}", environ.get(option.variable) or None, working_dir),
            (file_origin, toml.get(option.key), file.path.parent if file else working_dir),
        ):
            if raw is not None:
                values[option.name] = _parse(option, raw, origin, base)
                origins[option.name] = origin
                if file and origin == file_origin and not file.is_trusted:
                    _check_untrusted(option, values[option.name], file.path)
                break
    settings = Settings(**values)
    _check(settings, origins)
    return Configuration(settings, origins, file.path if file else None)


def _find_file(
    environ: Mapping[str, str], config: Path | None, cwd: Path, user_dir: Path | None
) -> _ConfigFile | None:
    explicit = config or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    if explicit is not None:
        path = cwd / explicit.expanduser()
        if not path.is_file():
            source = "--config" if config else f"variable {CONFIG_VARIABLE}"
            raise ConfigError(f"{source}: no such file: {path}")
        return _ConfigFile(path, is_trusted=True)
    user_file = (user_dir or platformdirs.user_config_path("loom", appauthor=False)) / FILE_NAME
    file = cwd / FILE_NAME
    if file.is_file():
        return _ConfigFile(file, is_trusted=user_file.is_file() and file.samefile(user_file))
    return _ConfigFile(user_file, is_trusted=True) if user_file.is_file() else None


def _read_file(path: Path, all_options: tuple[Option, ...]) -> dict[str, object]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # invalid TOML or UTF-8
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    keys = {option.key for option in all_options}
    values = {key.replace("_", "-"): value for key, value in content.items()}
    for key in values.keys() - keys:
        matches = difflib.get_close_matches(key, keys, n=1)
        hint = f"did you mean {matches[0]!r}?" if matches else "'loom --help' lists all settings"
        raise ConfigError(f"{path}: unknown key {key!r}; {hint}")
    return values


def _parse(option: Option, raw: object, origin: str, base: Path) -> object:
    if option.type.multiple and isinstance(raw, list | tuple):
        # One at a time, so that the error names the invalid item.
        return tuple(value for item in raw for value in _parse_value(option, [item], item, origin, base))
    return _parse_value(option, raw, raw, origin, base)


def _parse_value(option: Option, raw: object, item: object, origin: str, base: Path) -> Any:
    try:
        return option.type.parse(raw, base)
    except (ValueError, TypeError) as error:
        reason = f" ({error})" if str(error).startswith(("no such", "not a file")) else ""
        raise ConfigError(f"{origin}: expected {option.type.description}, got {item!r}{reason}") from error


def _check_untrusted(option: Option, value: object, path: Path) -> None:
    if option.name in UNTRUSTED_KEYS:
        problem = "not allowed"
    elif option.name in LOOPBACK_KEYS and isinstance(value, Address) and not value.is_loopback:
        problem = f"{value} is not a loopback address, which is not allowed"
    else:
        return
    raise ConfigError(
        f"{path}: {option.key}: {problem} in a file found in the working directory; "
        f"if you trust the file, pass --config {FILE_NAME}"
    )


def _check(settings: Settings, origins: Mapping[str, str]) -> None:
    """Check settings against each other."""
    for name, requirement in _REQUIREMENTS:
        if getattr(settings, name) is not None and getattr(settings, requirement) is None:
            raise ConfigError(f"{origins[name]}: also requires --{requirement.replace('_', '-')}")
    if settings.tls is False:
        for name in _TLS_ONLY:
            if getattr(settings, name) and not _overrides("tls", name, origins):
                raise ConfigError(
                    f"{origins[name]}: requires TLS, which is off by {origins['tls']}; remove one of them"
                )
    _check_dependencies(settings, origins)
    if settings.quiet and settings.verbose:
        raise ConfigError(f"{origins['quiet']}: conflicts with {origins['verbose']}; remove one of them")
    if settings.demo:
        _check_demo(settings, origins)
    if settings.engine == "wire":
        _check_wire(settings, origins)


def _check_dependencies(settings: Settings, origins: Mapping[str, str]) -> None:
    for name, dependency in _DEPENDENCIES:
        is_off = getattr(settings, dependency) in (None, False)
        if name in origins and is_off and not _overrides(dependency, name, origins):
            raise ConfigError(
                f"{origins[name]}: has no effect, as {dependency.replace('_', '-')} is off by "
                f"{origins[dependency]}; remove one of them"
            )


def _check_demo(settings: Settings, origins: Mapping[str, str]) -> None:
    if settings.listen_cert is not None:
        raise ConfigError(
            f"{origins['listen_cert']}: the demo's clients use cleartext; remove it or {origins['demo']}"
        )
    for name in DEMO_CONFLICTS:
        is_set = name in origins and getattr(settings, name) not in (None, False)
        if is_set and not _overrides("demo", name, origins):
            raise ConfigError(
                f"{origins[name]}: conflicts with {origins['demo']}, which starts its own backend; "
                "remove one of them"
            )


def _check_wire(settings: Settings, origins: Mapping[str, str]) -> None:
    for name in RELAY_ONLY:
        # The wire engine has no breaker: switching it off does not conflict.
        if name in origins and getattr(settings, name) is not None:
            raise ConfigError(
                f"{origins[name]}: not supported by the wire engine, which forwards bytes unchanged; "
                "use --engine relay"
            )


def _overrides(name: str, other: str, origins: Mapping[str, str]) -> bool:
    """Whether ``name`` comes from a source of higher precedence than ``other``."""
    return _precedence(origins[name]) < _precedence(origins[other])


def _precedence(origin: str) -> int:
    """0 for flags, 1 for variables, 2 for the file."""
    return 0 if origin.startswith("--") else 1 if origin.startswith("variable ") else 2
