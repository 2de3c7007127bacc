"""Types of option values: how each is parsed from text or TOML, described in errors, and formatted.

:meth:`OptionType.parse` raises :class:`ValueError`; its caller adds the source of the value.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loom.errors import ConfigError
from loom.model import Address

OFF = "off"
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_STEPS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_METADATA_KEY = re.compile(r"[0-9a-z_.-]+")


@dataclass(frozen=True, slots=True)
class OptionType:
    """The type of an option's value.

    ``parse(raw, base)`` takes text or a TOML value; relative paths start from ``base``. ``description`` completes
    "expected …" in errors. A flag of an ``is_switch`` type takes no value, one of a ``multiple`` type may be repeated.
    """

    metavar: str
    description: str
    parse: Callable[[object, Path], Any]
    format: Callable[[Any], str] = str
    is_switch: bool = False
    multiple: bool = False

    @property
    def accepts_off(self) -> bool:
        """Whether ``off`` is a value, parsed as None."""
        return self.metavar.endswith(f"|{OFF}")

    def or_off(self) -> "OptionType":
        """Return this type extended by ``off`` (``false`` in TOML), which is parsed as None."""

        def parse(raw: object, base: Path) -> Any:
            if raw is False or (isinstance(raw, str) and raw.strip().lower() == OFF):
                return None
            return self.parse(raw, base)

        def format_value(value: Any) -> str:
            return OFF if value is None else self.format(value)

        return OptionType(f"{self.metavar}|{OFF}", f"{self.description}, or {OFF!r}", parse, format_value)

    def repeatable(self) -> "OptionType":
        """Return the type of a sequence of these: a repeated flag, a TOML array, a comma-separated variable."""

        def parse(raw: object, base: Path) -> Any:
            items: Sequence[object] = (
                [part for part in raw.split(",") if part.strip()]
                if isinstance(raw, str)
                else list(raw)
                if isinstance(raw, list | tuple)
                else [raw]
            )
            return tuple(self.parse(item, base) for item in items)

        def format_value(value: Any) -> str:
            return ", ".join(self.format(item) for item in value)

        return OptionType(self.metavar, self.description, parse, format_value, multiple=True)


def _parse_text(raw: object) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise ValueError("not a text")
    return raw.strip()


def _parse_address(raw: object, _: Path) -> Address:
    try:
        return Address.parse(_parse_text(raw))
    except ConfigError as error:
        raise ValueError(str(error)) from error


def _parse_target(raw: object, _: Path) -> Address:
    try:
        return Address.parse_target(_parse_text(raw))
    except ConfigError as error:
        raise ValueError(str(error)) from error


def _parse_size(raw: object, _: Path) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool):
        size = raw
    else:
        match = _SIZE.fullmatch(_parse_text(raw))
        if match is None:
            raise ValueError("not a size")
        unit = 1024 if match[3] else 1000
        size = int(float(match[1]) * unit ** _STEPS[match[2].lower()])
    if size <= 0:
        raise ValueError("not above zero")
    return size


def _format_size(size: int) -> str:
    """Format a size exactly, in the largest binary unit that divides it: ``256MiB``."""
    for step, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if size >= 1024**step and size % 1024**step == 0:
            return f"{size // 1024**step}{unit}"
    return str(size)


def _parse_duration(raw: object, _: Path) -> float:
    if isinstance(raw, bool):
        raise ValueError("not a number")  # noqa: TRY004 (one exception type for every option type)
    text = str(raw).strip().lower()
    factor = 1.0
    for unit, scale in (("ms", 0.001), ("s", 1.0), ("m", 60.0)):
        if text.endswith(unit):
            text, factor = text.removesuffix(unit), scale
            break
    value = float(text) * factor
    if not 0 <= value < float("inf"):
        raise ValueError("not a duration")
    return value


def _parse_interval(raw: object, base: Path) -> float:
    interval = _parse_duration(raw, base)
    if not interval:
        raise ValueError("not above zero")
    return interval


def _parse_count(raw: object, _: Path) -> int:
    if isinstance(raw, bool | float):
        raise ValueError("not a whole number")  # noqa: TRY004
    value = int(str(raw).strip())
    if value < 1:
        raise ValueError("not above zero")
    return value


def _parse_boolean(raw: object, _: Path) -> bool:
    if isinstance(raw, bool):
        return raw
    text = str(raw).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("neither true nor false")


def _parse_path(raw: object, base: Path) -> Path:
    return base / Path(_parse_text(raw)).expanduser()


def _parse_file(raw: object, base: Path) -> Path:
    path = _parse_path(raw, base)
    if not path.is_file():
        raise ValueError(f"no such file: {path}")
    return path


def _parse_existing_path(raw: object, base: Path) -> Path:
    path = _parse_path(raw, base)
    if not path.exists():
        raise ValueError(f"no such file or directory: {path}")
    return path


def _parse_new_file(raw: object, base: Path) -> Path:
    path = _parse_path(raw, base)
    if path.is_dir() or not path.parent.is_dir():
        reason = "not a file" if path.is_dir() else "no such directory"
        raise ValueError(f"{reason}: {path if path.is_dir() else path.parent}")
    return path


def _parse_faults(raw: object, _: Path) -> tuple[str, ...]:
    """Faults, each a text; one alone is not split at commas, which filters have."""
    faults = tuple(_parse_text(item) for item in (raw if isinstance(raw, list | tuple) else [raw]))
    if not all("::" in fault for fault in faults):
        raise ValueError("no '::'")
    return faults


def _parse_metadata_key(raw: object, _: Path) -> str:
    text = _parse_text(raw).lower()
    if not _METADATA_KEY.fullmatch(text.removesuffix("*")):
        raise ValueError("not a metadata key")
    return text


def _parse_metadata(raw: object, _: Path) -> tuple[str, str]:
    key, colon, value = _parse_text(raw).partition(":")
    if not colon:
        raise ValueError("no colon")
    return _parse_metadata_key(key, Path()), value.strip()


def choice(*names: str) -> OptionType:
    """Return the type of a value that is one of ``names``."""
    description = " or ".join(repr(name) for name in names)

    def parse(raw: object, _: Path) -> str:
        if raw not in names:
            raise ValueError("not one of the choices")
        return str(raw)

    return OptionType("|".join(names), description, parse)


ADDRESS = OptionType("HOST:PORT", "HOST:PORT (e.g. localhost:50051 or [::1]:50051)", _parse_address)
TARGET = OptionType(
    "TARGET",
    "HOST:PORT (e.g. localhost:50051 or [::1]:50051), https://HOST or unix:PATH",
    _parse_target,
)
SIZE = OptionType("SIZE", "a size above zero (e.g. 256MiB, or 64000 for bytes)", _parse_size, _format_size)
DURATION = OptionType(
    "TIME",
    "a duration (e.g. 500ms, 2m, or 1.5 for seconds)",
    _parse_duration,
    lambda value: f"{value:g}s",
)
INTERVAL = OptionType(
    "TIME",
    "a duration above zero (e.g. 500ms, 2m, or 1.5 for seconds)",
    _parse_interval,
    DURATION.format,
)
COUNT = OptionType("N", "a whole number above zero", _parse_count)
NAME = OptionType("NAME", "a name", lambda raw, _: _parse_text(raw))
TEXT = OptionType("TEXT", "text that is not empty", lambda raw, _: _parse_text(raw))
SWITCH = OptionType(
    "true|false",
    "true or false",
    _parse_boolean,
    lambda value: "auto" if value is None else str(value).lower(),
    is_switch=True,
)
FILE = OptionType("FILE", "an existing file", _parse_file)
NEW_FILE = OptionType("FILE", "a file in an existing directory", _parse_new_file)
DIRECTORY = OptionType("DIR", "a directory", _parse_path)
PATH = OptionType("PATH", "an existing file or directory", _parse_existing_path)
FAULT = OptionType(
    "FAULT",
    "a filter, '::' and what happens (e.g. 'method:GetOrder :: status=UNAVAILABLE')",
    _parse_faults,
    ", ".join,
    multiple=True,
)
METADATA_KEY = OptionType("KEY", "a metadata key (e.g. x-api-key or x-secret-*)", _parse_metadata_key)
METADATA = OptionType(
    "'KEY: VALUE'",
    "KEY: VALUE (e.g. 'authorization: Bearer abc')",
    _parse_metadata,
    lambda item: f"{item[0]}: {item[1]}",
)
