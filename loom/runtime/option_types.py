"""How the value of a setting is written: as text on a command line, or as a value of TOML.

A :class:`Form` reads what somebody wrote and says in one phrase what it allows. Its ``read``
raises :class:`ValueError`; who asked adds where the value came from.
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
class Form:
    """``read(raw, base)`` answers the value; ``base`` is what relative paths start from.

    ``switch`` marks forms whose flag takes no value, ``many`` those that may be repeated.
    """

    metavar: str
    allowed: str
    read: Callable[[object, Path], Any]
    show: Callable[[Any], str] = str
    switch: bool = False
    many: bool = False

    def or_off(self) -> "Form":
        """The same, and ``off`` (``false`` in TOML), which reads as None."""

        def read(raw: object, base: Path) -> Any:
            if raw is False or (isinstance(raw, str) and raw.strip().lower() == OFF):
                return None
            return self.read(raw, base)

        def show(value: Any) -> str:
            return OFF if value is None else self.show(value)

        return Form(f"{self.metavar}|{OFF}", f"{self.allowed}, or {OFF!r}", read, show)

    def repeated(self) -> "Form":
        """Any number of these: a repeated flag, an array in TOML, a variable split at commas."""

        def read(raw: object, base: Path) -> Any:
            items: Sequence[object] = (
                [part for part in raw.split(",") if part.strip()]
                if isinstance(raw, str)
                else list(raw)
                if isinstance(raw, list | tuple)
                else [raw]
            )
            return tuple(self.read(item, base) for item in items)

        def show(value: Any) -> str:
            return ", ".join(self.show(item) for item in value)

        return Form(self.metavar, self.allowed, read, show, many=True)


def _text_of(raw: object) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise ValueError("not a text")
    return raw.strip()


def _address(raw: object, _: Path) -> Address:
    try:
        return Address.parse(_text_of(raw))
    except ConfigError as error:
        raise ValueError(str(error)) from error


def _size(raw: object, _: Path) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool):
        size = raw
    else:
        match = _SIZE.fullmatch(_text_of(raw))
        if match is None:
            raise ValueError("not a size")
        unit = 1024 if match[3] else 1000
        size = int(float(match[1]) * unit ** _STEPS[match[2].lower()])
    if size <= 0:
        raise ValueError("not above zero")
    return size


def show_size(size: int) -> str:
    """Bytes in the largest binary unit that divides them: ``256MiB``."""
    for step, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if size >= 1024**step and size % 1024**step == 0:
            return f"{size // 1024**step}{unit}"
    return str(size)


def _seconds(raw: object, _: Path) -> float:
    if isinstance(raw, bool):
        raise ValueError("not a number")  # noqa: TRY004 (one kind of error for every form)
    text = str(raw).strip().lower()
    factor = 1.0
    for unit, scale in (("ms", 0.001), ("s", 1.0), ("m", 60.0)):
        if text.endswith(unit):
            text, factor = text.removesuffix(unit), scale
            break
    value = float(text) * factor
    if not 0 <= value < float("inf"):
        raise ValueError("not a length of time")
    return value


def _count(raw: object, _: Path) -> int:
    if isinstance(raw, bool | float):
        raise ValueError("not a whole number")  # noqa: TRY004
    value = int(str(raw).strip())
    if value < 1:
        raise ValueError("not above zero")
    return value


def _flag(raw: object, _: Path) -> bool:
    if isinstance(raw, bool):
        return raw
    text = str(raw).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("neither true nor false")


def _path(raw: object, base: Path) -> Path:
    return base / Path(_text_of(raw)).expanduser()


def _file(raw: object, base: Path) -> Path:
    path = _path(raw, base)
    if not path.is_file():
        raise ValueError(f"no such file: {path}")
    return path


def _existing(raw: object, base: Path) -> Path:
    path = _path(raw, base)
    if not path.exists():
        raise ValueError(f"no such file or directory: {path}")
    return path


def _new_file(raw: object, base: Path) -> Path:
    path = _path(raw, base)
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(f"cannot be a file: {path}")
    return path


def _key(raw: object, _: Path) -> str:
    text = _text_of(raw).lower()
    if not _METADATA_KEY.fullmatch(text.removesuffix("*")):
        raise ValueError("not a metadata key")
    return text


def _metadata(raw: object, _: Path) -> tuple[str, str]:
    key, colon, value = _text_of(raw).partition(":")
    if not colon:
        raise ValueError("no colon")
    return _key(key, Path()), value.strip()


def choice(*names: str) -> Form:
    """One of these words."""
    allowed = " or ".join(repr(name) for name in names)

    def read(raw: object, _: Path) -> str:
        if raw not in names:
            raise ValueError("not one of them")
        return str(raw)

    return Form("|".join(names), allowed, read)


ADDRESS = Form("HOST:PORT", "HOST:PORT, as in localhost:50051 or [::1]:50051", _address)
SIZE = Form("SIZE", "a size above zero, as in 256MiB or 64000 (bytes)", _size, show_size)
SECONDS = Form(
    "TIME", "a length of time, as in 1.5 (seconds), 500ms or 2m", _seconds, lambda value: f"{value:g}s"
)
COUNT = Form("N", "a whole number above zero", _count)
NAME = Form("NAME", "a name", lambda raw, _: _text_of(raw))
TEXT = Form("TEXT", "a text that is not empty", lambda raw, _: _text_of(raw))
FLAG = Form(
    "true|false",
    "true or false",
    _flag,
    lambda value: "auto" if value is None else str(value).lower(),
    switch=True,
)
FILE = Form("FILE", "a file that exists", _file)
NEW_FILE = Form("FILE", "a file in a directory that exists", _new_file)
FOLDER = Form("DIR", "a directory", _path)
PATH = Form("PATH", "a file or directory that exists", _existing)
METADATA_KEY = Form("KEY", "a metadata key, as in x-api-key or x-secret-*", _key)
METADATA = Form(
    "'KEY: VALUE'",
    "a metadata key, a colon and a value, as in 'authorization: Bearer abc'",
    _metadata,
    lambda item: f"{item[0]}: {item[1]}",
)
