"""The example of tests that hold messages passes against the demo's backend."""

import asyncio
import sys
from pathlib import Path

from tests.support.loom_process import ROOT, environment

from .test_clients import running_harbour


async def test_the_tests_that_hold_messages_pass(tmp_path: Path) -> None:
    async with running_harbour() as target:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path),
            str(ROOT / "examples" / "python" / "test_race.py"),
            cwd=tmp_path, env=environment(tmp_path) | {"TARGET": target, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    assert "2 passed" in out.decode()
