"""Text for terminals and logs: colours, and the escaping of what could drive a terminal.

Method names, metadata, status messages, file names and error texts come from other programs. Everything that Loom
writes to a terminal or a log passes :func:`terminal_safe` on its way out (:class:`loom.cli.output.Output`,
:class:`loom.runtime.console.Console`, :class:`LogFormatter`).
"""

import contextlib
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TextIO

import msgspec

_RESET = "\x1b[0m"
# Control characters of ASCII and Latin-1, line and paragraph separators, bidirectional overrides, lone surrogates.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSAFE_OR_STYLE = re.compile(rf"\x1b\[(?:0|1|2|31|32|33)m|{_UNSAFE.pattern}")
_LATIN_1 = 0x100


@dataclass(frozen=True, slots=True)
class Palette:
    """Wraps text in the terminal's own colours if ``enabled``, else leaves it unchanged."""

    enabled: bool

    @classmethod
    def for_stream(cls, color: bool | None, stream: TextIO, environ: Mapping[str, str]) -> "Palette":
        """Return a palette as ``color`` says; by default as https://no-color.org and the kind of stream say."""
        if color is not None:
            return cls(color)
        return cls(not environ.get("NO_COLOR") and environ.get("TERM") != "dumb" and stream.isatty())

    def _style(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}{_RESET}" if self.enabled else text

    def bold(self, text: str) -> str:
        return self._style("1", text)

    def dim(self, text: str) -> str:
        return self._style("2", text)

    def success(self, text: str) -> str:
        return self._style("32", text)

    def error(self, text: str) -> str:
        return self._style("31", text)

    def warning(self, text: str) -> str:
        """For warnings, and for calls that are in flight or cancelled."""
        return self._style("33", text)


def terminal_safe(text: str, *, keep_styles: bool = False) -> str:
    r"""Escape what could drive a terminal, line ends included: ESC becomes ``\x1b``.

    ``keep_styles`` leaves the sequences of :class:`Palette` unchanged.
    """
    if not keep_styles:
        return _UNSAFE.sub(_escape, text)
    return _UNSAFE_OR_STYLE.sub(lambda match: match[0] if len(match[0]) > 1 else _escape(match), text)


def terminal_safe_json(value: Any) -> str:
    """Serialise as one line of JSON whose strings keep their values and cannot drive a terminal."""
    text = msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=0).decode()
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def shorten(text: str, limit: int) -> str:
    """Escape text of others, and cut it to ``limit`` characters."""
    safe = terminal_safe(text[:limit])
    return safe if len(text) <= limit and len(safe) <= limit else safe[: limit - 1] + "…"


def discard_output(stream: TextIO) -> None:
    """Send what the stream still buffers to the null device, so that closing it at exit cannot fail again."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


class LogFormatter(logging.Formatter):
    """A formatter whose records cannot drive a terminal, nor look like more records than they are."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        record.message = terminal_safe(record.message)
        return super().formatMessage(record)

    def formatException(  # noqa: N802 (logging's name)
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        return "\n".join(terminal_safe(line) for line in super().formatException(ei).split("\n"))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < _LATIN_1 else f"\\u{code:04x}"
