"""Which metadata is masked wherever a person or a file could read it by accident."""

from collections.abc import Iterable

MASK = "••••••"
DEFAULT_SECRETS = (
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "x-auth-token",
    "x-goog-api-key",
)


class Secrets:
    """The masked metadata keys; comparison ignores case. A trailing ``*`` matches any ending."""

    def __init__(self, keys: Iterable[str] = DEFAULT_SECRETS) -> None:
        self.keys: tuple[str, ...] = ()
        self.add(keys)

    def add(self, keys: Iterable[str]) -> None:
        """Mask these, too: what was masked when a call was recorded is masked wherever it is shown."""
        lowered = {key.strip().lower() for key in (*self.keys, *keys) if key.strip()}
        self.keys = tuple(sorted(lowered))
        self._exact = frozenset(key for key in lowered if not key.endswith("*"))
        self._prefixes = tuple(sorted(key[:-1] for key in lowered if key.endswith("*")))

    def masks(self, key: str) -> bool:
        """Whether values of this key are hidden until asked for."""
        lowered = key.lower()
        return lowered in self._exact or (bool(self._prefixes) and lowered.startswith(self._prefixes))
