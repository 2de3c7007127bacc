"""The examples of rules and faults, in front of the demo's backend: their output is as in the README."""

import asyncio
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.docs.markdown import blocks
from tests.examples.test_clients import EXAMPLES, output_of, running_harbour
from tests.support.loom_process import environment, running_loom

README = (EXAMPLES / "README.md").read_text(encoding="utf-8")
OUTPUTS = {block.attributes: block.text for block in blocks(README) if block.language == "text"}
"""What the README says that an example prints, by its name."""

pytestmark = pytest.mark.xdist_group("examples")


async def run(*command: str, folder: Path, home: Path) -> tuple[int, str]:
    """The exit code of a program, and what it prints."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environment(home),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def run_loom(*arguments: str, folder: Path, home: Path) -> tuple[int, str]:
    return await run(sys.executable, "-m", "loom", *arguments, folder=folder, home=home)


async def test_rules_are_tried_on_a_recorded_session(tmp_path: Path) -> None:
    async with running_harbour() as harbour:
        quick = ("--listen", "localhost:0", "--ui", "off", "--session", "harbour")
        with running_loom("--target", harbour, *quick, home=tmp_path) as loom:
            address = loom.expect(r"point it at (\S+)")[1]
            await output_of(sys.executable, str(EXAMPLES / "python" / "client.py"), address, home=tmp_path)
            loom.expect(r"NOT_FOUND .*/GetVessel ")
            loom.interrupt()  # so that the session has all of it
            assert loom.wait() == 0
    code, printed = await run_loom(
        "rules", "test", "rules.toml", "--session", "harbour", folder=EXAMPLES / "rules", home=tmp_path
    )
    assert code == 0
    assert printed == OUTPUTS["rules"]


async def test_the_report_says_which_client_did_not_retry(tmp_path: Path) -> None:
    async with running_harbour() as harbour:
        rules = str(EXAMPLES / "faults" / "faults.toml")
        flags = ("--listen", "localhost:0", "--ui", "off", "--session", "resilience", "--rules", rules)
        with running_loom("--target", harbour, *flags, "--fault-seed", "1", home=tmp_path) as loom:
            address = loom.expect(r"point it at (\S+)")[1]
            client = str(EXAMPLES / "faults" / "client.py")
            printed = await output_of(sys.executable, client, address, home=tmp_path)
            assert printed == OUTPUTS["faults client"]
            loom.expect(r"/LoadManifest ")
            loom.interrupt()
            assert loom.wait() == 0
    code, printed = await run_loom(
        "faults", "report", "resilience", "--junit", "report.xml", folder=tmp_path, home=tmp_path
    )
    assert (code, printed) == (1, OUTPUTS["faults"])
    report = (tmp_path / "report.xml").read_text(encoding="utf-8")
    assert ET.fromstring(report).attrib.items() >= {("tests", "2"), ("failures", "1")}
