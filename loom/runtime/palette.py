"""Colours for a terminal, or none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

_RESET = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Palette:
    """Wraps text in the terminal's own colours if ``enabled``, else leaves it as it is."""

    enabled: bool

    @classmethod
    def chosen(cls, wanted: bool | None, stream: TextIO, environ: Mapping[str, str]) -> "Palette":
        """As asked for; undecided, by https://no-color.org and whether the stream is a terminal."""
        if wanted is not None:
            return cls(wanted)
        return cls(not environ.get("NO_COLOR") and environ.get("TERM") != "dumb" and stream.isatty())

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}{_RESET}" if self.enabled else text

    def strong(self, text: str) -> str:
        return self._paint("1", text)

    def dim(self, text: str) -> str:
        return self._paint("2", text)

    def good(self, text: str) -> str:
        return self._paint("32", text)

    def bad(self, text: str) -> str:
        return self._paint("31", text)

    def doubtful(self, text: str) -> str:
        """For what is neither good nor the backend's fault: cancelled calls, calls still going."""
        return self._paint("33", text)
