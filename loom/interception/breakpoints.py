"""Breakpoints: which calls' items are held, and for how long at most."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass

from loom.api.breakpoints import ReleasePolicy
from loom.model.interception import Point

from .matching import CallMatch

DEFAULT_MAX_BREAKPOINTS = 100
_MAX_METHODS = 10_000  # clients choose method names


@dataclass(slots=True, eq=False)
class Breakpoint:
    """Holds the items of calls that match, at its points. ``release_after`` is in seconds.

    ``calls`` and ``hits`` count the calls that matched and the items that were held. ``removed``: it holds no more,
    though calls that began before have it.
    """

    name: str
    match: CallMatch
    points: frozenset[Point]
    release: ReleasePolicy = ReleasePolicy.DEADLINE
    release_after: float = 0.0
    enabled: bool = True
    removed: bool = False
    calls: int = 0
    hits: int = 0

    @property
    def is_active(self) -> bool:
        """Whether it holds items now."""
        return self.enabled and not self.removed


class BreakpointSet:
    """The breakpoints that are set, in that order. Thread-safe."""

    def __init__(self, max_breakpoints: int = DEFAULT_MAX_BREAKPOINTS) -> None:
        self.is_empty = True
        """Whether no breakpoint is set: an attribute, as every call asks."""
        self._max = max_breakpoints
        self._lock = threading.Lock()
        self._ordinal = 0
        self._breakpoints: tuple[Breakpoint, ...] = ()
        self._candidates: dict[str, tuple[Breakpoint, ...]] = {}

    def __iter__(self) -> Iterator[Breakpoint]:
        return iter(self._breakpoints)

    def find(self, name: str) -> Breakpoint | None:
        """The breakpoint of this name."""
        return next((item for item in self._breakpoints if item.name == name), None)

    def free_name(self) -> str:
        """A name that no breakpoint has."""
        with self._lock:
            while True:
                self._ordinal += 1
                name = f"breakpoint {self._ordinal}"
                if self.find(name) is None:
                    return name

    def add(self, breakpoint_: Breakpoint) -> Breakpoint | None:
        """Set a breakpoint, in the place of one of the same name, which is returned.

        Raises ValueError if there are too many.
        """
        with self._lock:
            previous = self.find(breakpoint_.name)
            others = [item for item in self._breakpoints if item is not previous]
            if len(others) >= self._max:
                raise ValueError(f"at most {self._max} breakpoints can be set: remove one")
            if previous is not None:
                previous.removed = True
            self._replace((*others, breakpoint_))
        return previous

    def remove(self, *breakpoints: Breakpoint) -> None:
        """Remove breakpoints; those that are not set are passed over."""
        with self._lock:
            for item in breakpoints:
                item.removed = True
            self._replace(tuple(item for item in self._breakpoints if not item.removed))

    def candidates(self, method: str) -> tuple[Breakpoint, ...]:
        """The breakpoints that may match calls of a method: looked up once per method."""
        candidates = self._candidates
        try:
            return candidates[method]
        except KeyError:
            found = tuple(item for item in self._breakpoints if item.match.may_match(method))
            if len(candidates) < _MAX_METHODS:
                candidates[method] = found
            return found

    def _replace(self, breakpoints: tuple[Breakpoint, ...]) -> None:
        # The cache last: a lookup that saw the old breakpoints has filled the old cache.
        self._breakpoints = breakpoints
        self._candidates = {}
        self.is_empty = not breakpoints
