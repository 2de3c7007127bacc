"""Runs the steps of a call one at a time, on whichever of gRPC's threads they come, without any waiting for another."""

import functools
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from loom.grpc_core.facade import Batch

S = TypeVar("S", bound="Stepped")


class Stepped(ABC):
    """Something whose methods marked with :func:`step` are its steps.

    Two threads answer for the two sides of a call. A step that comes while another thread is at one is left to that
    thread, so that neither stops for the other, and steps need no locks of their own.
    """

    __slots__ = ("_busy", "_steps")

    def __init__(self) -> None:
        self._busy = threading.Lock()
        self._steps: deque[tuple[Callable[[Any, Batch], None], Batch]] = deque()

    @abstractmethod
    def failed(self, error: Exception) -> None:
        """A step has raised ``error``."""

    def take(self, act: Callable[[Any, Batch], None], batch: Batch) -> None:
        """Do a step now, or leave it to the thread that is at one."""
        steps, busy = self._steps, self._busy
        steps.append((act, batch))
        # Who let go of it a moment ago may not have seen this step: look again.
        while steps and busy.acquire(blocking=False):
            try:
                while steps:
                    act, batch = steps.popleft()
                    try:
                        act(self, batch)
                    except Exception as error:  # noqa: BLE001 (a fault of Loom's own must not look like the backend's)
                        self.failed(error)
            finally:
                busy.release()


def step(act: Callable[[S, Batch], None]) -> Callable[..., None]:
    """Make a method a step, to be called with the batch that it answers, or without any."""

    @functools.wraps(act)
    def stepping(stepped: S, batch: Batch = None) -> None:
        stepped.take(act, batch)

    return stepping
