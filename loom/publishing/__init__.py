"""Changes of calls go out to every browser, in batches, bounded.

* :mod:`~loom.publishing.hub`: collects changes and hands them out on a tick.
* :mod:`~loom.publishing.changes`: which calls changed when, for those who come back.
* :mod:`~loom.publishing.subscriber`: one listener's bounded queue.
* :mod:`~loom.publishing.rates`: what happened in the last seconds, for the live strip.
"""

from .hub import TICK_SECONDS, Feed, Hub
from .rates import Rates, Second
from .subscriber import Subscriber, Update

__all__ = ["TICK_SECONDS", "Feed", "Hub", "Rates", "Second", "Subscriber", "Update"]
