"""Clients of other libraries report the faults that Loom injects as those of a backend that has them.

A part of the scenarios; ``python -m tests.interop`` compares all, with grpc-java too.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from loom.model import StatusCode
from loom.model.interception import ActionKind
from tests.support import node

from .fault_comparison import call_directly, call_through_loom
from .fault_scenarios import PUSHBACK_MS, QUICK

pytestmark = [pytest.mark.xdist_group("go"), pytest.mark.timeout(600)]  # the first build takes a minute


def python_client(_: pytest.FixtureRequest) -> list[str]:
    return [sys.executable, str(Path(__file__).with_name("fault_client.py"))]


def go_client(request: pytest.FixtureRequest) -> list[str]:
    return [request.getfixturevalue("go_program"), "faults"]


def node_client(_: pytest.FixtureRequest) -> list[str]:
    folder = node.installed(Path(__file__).with_name("node"))
    return [str(node.NODE), str(folder / "main.js"), "faults"]


@pytest.mark.parametrize("client", [python_client, go_client, node_client])
async def test_a_client_reports_injected_faults_as_those_of_a_backend(
    client: Callable[[pytest.FixtureRequest], list[str]], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    command = client(request)
    directly = await call_directly(command, QUICK)
    through, calls = await call_through_loom(command, QUICK, tmp_path)
    assert through == directly
    assert [name for name in calls if not calls[name][0].acted] == []
    assert all(call.acted in {(), ((ActionKind.FAULT, name),)} for name in calls for call in calls[name])
    # and they are what the scenarios are about
    assert through["abort"]["code"] == StatusCode.UNAVAILABLE
    assert through["oversize"]["code"] == StatusCode.RESOURCE_EXHAUSTED
    assert through["hang at the third response"]["messages"] == ["message 0", "message 1"]
    assert through["retry twice"]["attempts"] == ["", "1", "2"]
    assert through["do not retry when asked"]["attempts"] == [""]
    first, second = calls["retry when asked"]
    assert first.ended_ns is not None
    assert second.started_ns - first.ended_ns > PUSHBACK_MS * 0.8 * 1e6
