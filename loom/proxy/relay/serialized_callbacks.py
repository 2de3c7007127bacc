"""Serialised callbacks: the callbacks of one call run one at a time, on whichever of gRPC's threads they arrive."""

import functools
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
S = TypeVar("S", bound="SerializedCallbacks")


class SerializedCallbacks(ABC):
    """An object whose methods marked with :func:`serialized` never run at the same time, as an actor's do.

    Two threads complete the batches of a call's two sides. A callback that arrives while another runs is queued for
    that thread, so none blocks and none needs a lock.
    """

    __slots__ = ("_callback_lock", "_callbacks")

    def __init__(self) -> None:
        self._callback_lock = threading.Lock()
        self._callbacks: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()

    @abstractmethod
    def on_error(self, error: Exception) -> None:
        """Handle an error that a callback raised; the callbacks behind it still run."""

    def run_serialized(self, callback: Callable[..., None], args: tuple[Any, ...]) -> None:
        """Run ``callback`` with this object and ``args`` now, or queue it for the thread that runs another."""
        callbacks, lock = self._callbacks, self._callback_lock
        callbacks.append((callback, args))
        # The loop closes a race: a thread that has just found the queue empty may still be about to release the lock.
        while callbacks and lock.acquire(blocking=False):
            try:
                while callbacks:
                    callback, args = callbacks.popleft()
                    try:
                        callback(self, *args)
                    except Exception as error:  # noqa: BLE001 (a bug in Loom must not look like the backend's)
                        self.on_error(error)
            finally:
                lock.release()


def serialized(method: Callable[Concatenate[S, P], None]) -> Callable[Concatenate[S, P], None]:
    """Serialise a method with the other serialised methods of its object."""

    @functools.wraps(method)
    def run(self: S, /, *args: P.args, **_: P.kwargs) -> None:
        self.run_serialized(method, args)

    return run
