"""The pytest plugin: the fixtures ``loom_proxy`` and ``loom_proxy_factory`` (docs/how-to/testing.md).

Nothing of Loom is imported until a test requests a fixture.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Unpack

import pytest

if TYPE_CHECKING:
    from loom.testing import LoomProxy, LoomProxyFactory, ProxyOptions

_PROXIES: pytest.StashKey[list[Any]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--loom-target HOST:PORT`` and the ini key ``loom_target``."""
    parser.getgroup("loom").addoption(
        "--loom-target", metavar="HOST:PORT", help="The server that the fixture loom_proxy is in front of."
    )
    parser.addini(
        "loom_target", "The server that the fixture loom_proxy is in front of (HOST:PORT).", default=""
    )


@pytest.fixture(scope="session")
def loom_target(request: pytest.FixtureRequest) -> str:
    """The server that ``loom_proxy`` is in front of. Override it where a fixture of yours starts the server."""
    target: str = request.config.getoption("--loom-target") or request.config.getini("loom_target")
    if not target:
        raise pytest.UsageError(
            "loom_proxy needs a server: pass --loom-target HOST:PORT, set loom_target in the ini file, "
            "or override the fixture loom_target"
        )
    return target


@pytest.fixture
def loom_proxy_factory(request: pytest.FixtureRequest) -> Iterator[LoomProxyFactory]:
    """Start proxies that run until the test ends; takes what :class:`loom.testing.LoomProxy` takes."""
    from loom.testing import LoomProxy  # noqa: PLC0415 (see the module's docstring)

    proxies = request.node.stash.setdefault(_PROXIES, [])
    with contextlib.ExitStack() as stack:

        def start(target: str, **options: Unpack[ProxyOptions]) -> LoomProxy:
            proxy = stack.enter_context(LoomProxy(target, **options))
            proxies.append(proxy)
            return proxy

        yield start


@pytest.fixture
def loom_proxy(loom_target: str, loom_proxy_factory: LoomProxyFactory) -> LoomProxy:
    """A proxy in front of ``loom_target``: point the client at ``loom_proxy.address``, then assert on its calls."""
    return loom_proxy_factory(loom_target)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Add the recorded calls to the report of a failed test."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        text = "\n".join(str(proxy) for proxy in item.stash.get(_PROXIES, []))
        if text:
            report.sections.append(("calls through Loom", text))
