"""Fixtures of every test: a browser that is installed if it is missing."""

from typing import Any

import pytest

from tests.support import browser
from tests.support.bench import bench  # noqa: F401 (a fixture of many packages)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Playwright starts the Chromium that :mod:`tests.support.browser` finds or installs."""
    return {
        **browser_type_launch_args,
        "executable_path": str(browser.find_or_install()),
        "args": browser.arguments(),
    }
