"""The check of grpcio's private API, and that the wire engine starts without it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from grpc._cython import cygrpc  # type: ignore[attr-defined]

from loom.errors import StartError
from loom.grpc_core.compatibility import TESTED_VERSIONS, check_compatibility, find_incompatibilities
from tests.support.narrowing import required

ROOT = Path(__file__).parents[2]


def copy_of_cygrpc(**changes: Any) -> SimpleNamespace:
    return SimpleNamespace(**(vars(cygrpc) | changes))


class OtherChannel(cygrpc.Channel):  # type: ignore[misc]
    """A channel of a grpcio that has renamed, dropped and added parameters."""

    next_call_event = None

    def integrated_call(self, method: bytes, flags: int) -> None: ...
    def check_connectivity_state(self, try_to_connect: bool, deadline: float) -> None: ...
    def close_on_fork(self, code: int, details: str, extra: int = 0) -> None: ...


def test_the_installed_grpcio_fits() -> None:
    assert find_incompatibilities(cygrpc) == []
    assert find_incompatibilities(copy_of_cygrpc()) == []


def test_a_missing_class_is_named() -> None:
    assert find_incompatibilities(copy_of_cygrpc(CompletionQueue=None)) == ["no CompletionQueue"]


def test_a_missing_attribute_is_named() -> None:
    problems = find_incompatibilities(copy_of_cygrpc(ReceiveMessageOperation=cygrpc.SendMessageOperation))
    assert problems == ["no ReceiveMessageOperation.message"]


def test_a_changed_signature_is_named_and_an_added_default_is_not() -> None:
    assert find_incompatibilities(copy_of_cygrpc(Channel=OtherChannel)) == [
        "another signature of Channel.integrated_call",
        "another signature of Channel.check_connectivity_state",
    ]


def test_the_error_is_one_line_with_the_versions_and_the_other_engine() -> None:
    with pytest.raises(StartError, match=r"^grpcio \S+ .*no Server.*install grpcio 1\.84.*--engine wire$"):
        check_compatibility(copy_of_cygrpc(Server=None))


def test_the_tested_versions_are_those_that_the_project_allows() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [requirement] = [line for line in project["dependencies"] if line.startswith("grpcio>=")]
    oldest, bound = required(re.fullmatch(r"grpcio>=(1\.\d+),<1\.(\d+)", requirement)).groups()
    assert f"{oldest} to 1.{int(bound) - 1}" == TESTED_VERSIONS


START = """
import asyncio, sys
from grpc._cython import cygrpc  # type: ignore[attr-defined]
{poison}
from loom.errors import StartError
from loom.model import Address
from loom.runtime.loom import Loom
from loom.runtime.settings import Settings

async def main():
    free = Address("127.0.0.1", 0)
    settings = Settings(listen=free, target=Address("127.0.0.1", 1), ui=None, session=None, engine={engine!r})
    loom = Loom(settings, tune=False)
    try:
        await loom.start()
    except StartError as error:
        print("StartError:", error)
    else:
        print("started", "loom.grpc_core.facade" in sys.modules)
        await loom.stop(grace=0)

asyncio.run(main())
"""
POISON = "del cygrpc.ReceiveCloseOnServerOperation"


def start_loom(engine: str, poison: str) -> str:
    program = START.format(engine=engine, poison=poison)
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return result.stdout.strip()


def test_the_relay_ends_with_one_line_on_another_grpcio() -> None:
    output = start_loom("relay", POISON)
    assert output.startswith("StartError: grpcio ")
    assert "no ReceiveCloseOnServerOperation" in output
    assert output.endswith("or start Loom with --engine wire")


@pytest.mark.parametrize("poison", ["", POISON])
def test_the_wire_engine_starts_without_the_facade(poison: str) -> None:
    assert start_loom("wire", poison) == "started False"
