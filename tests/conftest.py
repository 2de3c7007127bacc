"""Of every test: a browser that is installed if it is missing, and a limit on the time of a session."""

from typing import Any

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import Scheduling, WorkStealingScheduling

from tests.support import browser
from tests.support.bench import bench  # noqa: F401 (a fixture of many packages)
from tests.support.session_limit import SessionLimit

# How long an example takes says nothing on a busy machine.
settings.register_profile("loom", deadline=None)
settings.load_profile("loom")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--session-limit",
        type=float,
        default=900,
        metavar="SECONDS",
        help="end a session of several workers after this time and report what did not end (default: 900)",
    )


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """Return xdist's own scheduler for ``--dist worksteal``, and start the session's time."""
    if config.getoption("dist") != "worksteal":
        return None
    scheduler = WorkStealingScheduling(config, log)
    config.pluginmanager.register(SessionLimit(scheduler, config.getoption("session_limit")))
    return scheduler


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Playwright starts the Chromium that :mod:`tests.support.browser` finds or installs."""
    return {
        **browser_type_launch_args,
        "executable_path": str(browser.find_or_install()),
        "args": browser.arguments(),
    }
