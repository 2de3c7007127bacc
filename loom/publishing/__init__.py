"""Publishes changes of calls to every browser, in batches, bounded.

* :mod:`~loom.publishing.hub`: collects changes and publishes them on a tick.
* :mod:`~loom.publishing.change_log`: which calls changed with which tick, for subscribers that come back.
* :mod:`~loom.publishing.subscriber`: one subscriber's bounded queue.
* :mod:`~loom.publishing.rates`: rates and percentiles of the last seconds.
"""

from .hub import TICK_SECONDS, FeedPosition, Hub
from .rates import Rates, Second
from .subscriber import Subscriber, Update

__all__ = ["TICK_SECONDS", "FeedPosition", "Hub", "Rates", "Second", "Subscriber", "Update"]
