"""The pytest plugin: ``loom_proxy`` and ``loom_watch``, there wherever Loom is installed (docs/testing.md).

Nothing of Loom is imported until a test asks for a fixture.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from loom.testing import LoomWatch, WatchedLoom

_WATCHED: pytest.StashKey[list[Any]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--loom-target HOST:PORT`` and the ini key ``loom_target``."""
    parser.getgroup("loom").addoption(
        "--loom-target", metavar="HOST:PORT", help="The server that the fixture loom_proxy stands before."
    )
    parser.addini(
        "loom_target", "The server that the fixture loom_proxy stands before (HOST:PORT).", default=""
    )


@pytest.fixture(scope="session")
def loom_target(request: pytest.FixtureRequest) -> str:
    """The server that ``loom_proxy`` stands before. Override it where a fixture of yours starts the server."""
    target: str = request.config.getoption("--loom-target") or request.config.getini("loom_target")
    if not target:
        raise pytest.UsageError(
            "loom_proxy needs a server: pass --loom-target HOST:PORT, set loom_target in the ini file, "
            "or override the fixture loom_target"
        )
    return target


@pytest.fixture
def loom_watch(request: pytest.FixtureRequest) -> Iterator[LoomWatch]:
    """A function that takes what :func:`loom.testing.watch` takes, and gives a Loom that runs until the test ends."""
    from loom.testing import watch  # noqa: PLC0415 (see the module's docstring)

    watched = request.node.stash.setdefault(_WATCHED, [])
    with contextlib.ExitStack() as stack:

        def start(target: str, **options: Any) -> WatchedLoom:
            running = stack.enter_context(watch(target, **options))
            watched.append(running)
            return running

        yield start


@pytest.fixture
def loom_proxy(loom_target: str, loom_watch: LoomWatch) -> WatchedLoom:
    """A Loom before ``loom_target``: point the client at ``loom_proxy.address``, then ask what passed."""
    return loom_watch(loom_target)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """A test that fails shows the calls that passed."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        text = "\n".join(str(running) for running in item.stash.get(_WATCHED, []))
        if text:
            report.sections.append(("calls through Loom", text))
