"""The pytest plugin, in a pytest of its own."""

import asyncio
import os
import sys
from pathlib import Path

from tests.support.loom_process import ROOT
from tests.support.mirror import running_mirror

TESTS = """
import grpc, pytest

def say(address, text):
    with grpc.insecure_channel(address) as channel:
        return channel.unary_unary("/mirror.v1.Mirror/Say")(b"\\n" + bytes([len(text)]) + text)

def test_the_call_passes(loom_proxy):
    say(loom_proxy.address, b"hello")
    assert loom_proxy.wait_for_call("method:Say").request.json == {"text": "hello"}

def test_another_proxy(loom_proxy_factory, loom_target):
    first, second = loom_proxy_factory(loom_target), loom_proxy_factory(loom_target)
    say(second.address, b"x")
    second.wait_for_call()
    first.assert_no_call()

def test_that_fails(loom_proxy):
    say(loom_proxy.address, b"hello")
    loom_proxy.wait_for_call("method:Nothing", timeout=0.01)
"""


# Named on the command line and not found by its entry point: Loom may be installed here, or not.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


async def pytest_in(folder: Path, *arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pytest", "-p", "loom.pytest_plugin", "-p", "no:cacheprovider", "-q", *arguments,
        cwd=folder, env=ENVIRONMENT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    return process.returncode, out.decode()


async def test_the_fixtures_and_the_report_of_a_failure(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    async with running_mirror() as mirror:
        code, out = await pytest_in(tmp_path, "--loom-target", mirror.address)
        assert code == 1, out
        assert "2 passed" in out
        assert "1 failed" in out
        assert "calls through Loom" in out
        (tmp_path / "pytest.ini").write_text(f"[pytest]\nloom_target = {mirror.address}\n")
        code, out = await pytest_in(tmp_path, "-k", "passes or another")
        assert code == 0, out


async def test_without_a_target_the_error_names_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    code, out = await pytest_in(tmp_path, "-k", "passes")
    assert code == 1
    assert "--loom-target HOST:PORT" in out


async def test_a_pytest_that_does_not_ask_imports_nothing_of_loom(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\ndef test_it(): assert 'loom.runtime' not in sys.modules and 'grpc' not in sys.modules\n"
    )
    code, out = await pytest_in(tmp_path)
    assert code == 0, out
