"""A limit on the time of a whole test session with several workers (pytest-xdist).

A test has a timeout of its own, and pytest-xdist replaces a worker that died. What neither covers (workers that wait
for each other, a collection or a fixture that hangs) must not wait until the machine's time is up. The
``--session-timeout`` of pytest-timeout does not help here: workers check it between two tests, so one that waits or
hangs never does.
"""

import contextlib
import faulthandler
import os
import signal
import threading
from _thread import interrupt_main
from collections.abc import Iterator

import pytest
from xdist.scheduler import WorkStealingScheduling
from xdist.workermanage import WorkerController

_GRACE_S = 180.0
"""Time for the report and the end of the workers, after which the process exits in any case."""


class SessionLimit:
    """A plugin of xdist's controller that ends the session after ``seconds``.

    What ran then and what never ran is reported as failed, and so run by ``--last-failed``; the stacks of every thread
    of every worker are printed. Tests that never ran because too many workers crashed are reported too.
    """

    def __init__(self, scheduler: WorkStealingScheduling, seconds: float) -> None:
        self._scheduler = scheduler
        self._seconds = seconds
        self._expired = False
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True
        self._timer.start()
        faulthandler.dump_traceback_later(seconds + _GRACE_S, exit=True)

    def _expire(self) -> None:
        self._expired = True
        interrupt_main()

    def _unfinished(self) -> Iterator[tuple[str, WorkerController | None]]:
        """Tests that did not end, each with the worker that runs it: the first of a worker's queue."""
        collection = self._scheduler.collection or []
        for worker, pending in self._scheduler.node2pending.items():
            for position, index in enumerate(pending):
                yield collection[index], None if position else worker
        for index in self._scheduler.pending:
            yield collection[index], None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Report what did not end, unless somebody stopped the session (Ctrl-C, ``-x``)."""
        self._timer.cancel()
        if exitstatus == pytest.ExitCode.INTERRUPTED and not self._expired:
            return
        end = (
            f"the session reached its limit of {self._seconds:g} s" if self._expired else "the session ended"
        )
        for test, worker in list(self._unfinished()):
            what = f"running on {worker.gateway.id} when {end}" if worker else f"not run when {end}"
            path = test.partition("::")[0]
            report = pytest.TestReport(test, (path, None, path), {}, "failed", what, "call")
            session.config.hook.pytest_runtest_logreport(report=report)
        if self._expired:
            for worker in self._scheduler.nodes:
                # execnet has no public name for a worker's process id
                with contextlib.suppress(AttributeError, ProcessLookupError):
                    os.kill(worker.gateway._io.popen.pid, signal.SIGABRT)  # faulthandler prints every stack

    def pytest_unconfigure(self) -> None:
        """The process ends."""
        faulthandler.cancel_dump_traceback_later()
