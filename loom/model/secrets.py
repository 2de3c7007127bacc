"""The metadata that is masked on the page, in files and in logs."""

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
        """Mask these keys, too: those that were masked when a call was recorded are masked wherever it is shown."""
        lowered = {key.strip().lower() for key in (*self.keys, *keys) if key.strip()}
        self.keys = tuple(sorted(lowered))
        self._exact = frozenset(key for key in lowered if not key.endswith("*"))
        self._prefixes = tuple(sorted(key[:-1] for key in lowered if key.endswith("*")))

    def masks(self, key: str) -> bool:
        """Whether values of this key are hidden until a user reveals them."""
        lowered = key.lower()
        return lowered in self._exact or (bool(self._prefixes) and lowered.startswith(self._prefixes))
