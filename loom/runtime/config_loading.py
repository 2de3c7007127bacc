"""Where settings come from: flags win over ``LOOM_*`` variables, those over ``loom.toml``.

The file is the one that ``--config`` or ``LOOM_CONFIG`` names, else ``loom.toml`` in the working
directory, else ``loom.toml`` in the user's configuration directory, else there is none.
"""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from loom.errors import ConfigError

from .settings import Option, Settings, options

FILE_NAME = "loom.toml"
CONFIG_VARIABLE = "LOOM_CONFIG"
RELAY_ONLY = ("authority", "metadata_limit", "breaker", "breaker_pause")
"""Settings that change or limit what passes: only the relay can."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, where each that was given came from (by field name), and the file that was read."""

    settings: Settings
    origins: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None


def load(
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    *,
    config: Path | None = None,
    cwd: Path | None = None,
    user_dir: Path | None = None,
) -> Loaded:
    """Settle every setting; ``flags`` holds, by field name, only what was given.

    Raises :class:`ConfigError`, whose text names the source, the key and what is allowed.
    """
    here = cwd or Path.cwd()
    file = _find_file(environ, config, here, user_dir)
    given: dict[str, Any] = {}
    origins: dict[str, str] = {}
    known = options()
    keys = _read_file(file, known) if file else {}
    for option in known:
        for source, raw, base in (
            (option.flag, flags.get(option.name), here),
            # Empty means not set, as containers and CI systems write it.
            (f"variable {option.variable}", environ.get(option.variable) or None, here),
            (f"{file}: {option.key}", keys.get(option.key), file.parent if file else here),
        ):
            if raw is not None:
                given[option.name] = _value(option, raw, source, base)
                origins[option.name] = source
                break
    settings = Settings(**given)
    _check(settings, origins)
    return Loaded(settings, origins, file)


def _find_file(
    environ: Mapping[str, str], config: Path | None, cwd: Path, user_dir: Path | None
) -> Path | None:
    named = config or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    if named is not None:
        file = cwd / named.expanduser()
        if not file.is_file():
            source = "--config" if config else f"variable {CONFIG_VARIABLE}"
            raise ConfigError(f"{source}: there is no file {file}")
        return file
    user = user_dir or platformdirs.user_config_path("loom", appauthor=False)
    return next((file for folder in (cwd, user) if (file := folder / FILE_NAME).is_file()), None)


def _read_file(file: Path, known: tuple[Option, ...]) -> dict[str, object]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # TOML's and UTF-8's own
        raise ConfigError(f"{file}: is not TOML: {error}") from error
    keys = {option.key for option in known}
    read = {key.replace("_", "-"): value for key, value in content.items()}
    for key in read.keys() - keys:
        near = difflib.get_close_matches(key, keys, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "see 'loom --help' for all of them"
        raise ConfigError(f"{file}: unknown key {key!r}; {hint}")
    return read


def _value(option: Option, raw: object, source: str, base: Path) -> object:
    if option.form.many and isinstance(raw, list | tuple):
        # One by one, so that the complaint names the one that is wrong.
        return tuple(value for item in raw for value in _read(option, [item], item, source, base))
    return _read(option, raw, raw, source, base)


def _read(option: Option, raw: object, shown: object, source: str, base: Path) -> Any:
    try:
        return option.form.read(raw, base)
    except (ValueError, TypeError) as error:
        reason = f" ({error})" if str(error).startswith(("no such", "cannot be")) else ""
        allowed = option.form.allowed
        raise ConfigError(f"{source}: {shown!r} is wrong{reason}; allowed is {allowed}") from error


def _check(settings: Settings, origins: Mapping[str, str]) -> None:
    """What one setting alone cannot tell."""
    for name, other in (
        ("cert", "key"),
        ("key", "cert"),
        ("listen_cert", "listen_key"),
        ("listen_key", "listen_cert"),
        ("listen_client_ca", "listen_cert"),
    ):
        if getattr(settings, name) is not None and getattr(settings, other) is None:
            raise ConfigError(f"{origins[name]}: also needs --{other.replace('_', '-')}")
    if settings.tls is False:
        for name in ("cacert", "cert", "server_name"):
            if getattr(settings, name) is not None and _rank(origins["tls"]) >= _rank(origins[name]):
                raise ConfigError(
                    f"{origins[name]}: needs TLS, which {origins['tls']} switches off; drop one of them"
                )
    if settings.quiet and settings.verbose:
        raise ConfigError(f"{origins['quiet']}: contradicts {origins['verbose']}; drop one of them")
    if settings.demo and settings.listen_cert is not None:
        raise ConfigError(f"{origins['listen_cert']}: the demo's clients speak cleartext; drop it, or --demo")
    _check_engine(settings, origins)


def _check_engine(settings: Settings, origins: Mapping[str, str]) -> None:
    if settings.engine == "wire":
        for name in RELAY_ONLY:
            # Switching something off is what the wire engine does anyway.
            if name in origins and getattr(settings, name) is not None:
                raise ConfigError(
                    f"{origins[name]}: the wire engine changes nothing that passes; use --engine relay for it"
                )


def _rank(origin: str) -> int:
    """The strength of a source: 0 for flags, 1 for variables, 2 for the file."""
    return 0 if origin.startswith("--") else 1 if origin.startswith("variable ") else 2
