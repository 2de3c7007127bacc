"""``loom reload`` and SIGHUP, with a Loom that runs as a process."""

import asyncio
import signal
import sys
from pathlib import Path

from tests.support.loom_process import LoomProcess, environment, running_loom
from tests.support.zoo import running_zoo

SETTINGS = """
target = "{target}"
listen = "localhost:0"
ui = "localhost:0"
session = false
drain = "{drain}"
"""


async def reload(page: str, home: Path, *flags: str) -> tuple[int, str]:
    """Run ``loom reload``; its exit code, and what it prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loom", "reload", "--ui", page, *flags),
        env=environment(home),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode()


def page_of(loom: LoomProcess) -> str:
    return loom.expect(r"page +(http://\S+)")[1]


async def test_a_file_is_loaded_again_on_request_and_by_a_signal(tmp_path: Path) -> None:
    file = tmp_path / "loom.toml"
    async with running_zoo() as zoo, running_zoo() as other:
        file.write_text(SETTINGS.format(target=zoo.address, drain="1s"))
        with running_loom("--config", "loom.toml", home=tmp_path) as loom:
            page = page_of(loom)
            assert await reload(page, tmp_path) == (0, "reloaded: nothing has changed\n")
            file.write_text(SETTINGS.format(target=other.address, drain="2s") + "history-bytes = '64MiB'\n")
            code, printed = await reload(page, tmp_path)
            assert (code, printed.splitlines()) == (
                0,
                ["target: changed, for new connections", "drain: changed", "history-bytes: needs a restart"],
            )
            file.write_text("target = 'nonsense'\ndrian = '1s'\n")
            code, printed = await reload(page, tmp_path)
            assert code == 2
            assert "loom.toml" in printed
            assert all(line.startswith("loom: ") for line in printed.splitlines())
            loom.process.send_signal(signal.SIGHUP)
            loom.expect("not reloaded: .*loom.toml")
            file.write_text(SETTINGS.format(target=zoo.address, drain="3s"))
            loom.process.send_signal(signal.SIGHUP)
            loom.expect("reloaded.*target")
            loom.interrupt()
            assert loom.wait() == 0


async def test_without_a_running_loom_it_says_so(tmp_path: Path) -> None:
    code, printed = await reload("http://127.0.0.1:9", tmp_path)
    assert code == 2
    assert "127.0.0.1:9" in printed


async def test_the_answer_as_json(tmp_path: Path) -> None:
    async with running_zoo() as zoo:
        (tmp_path / "loom.toml").write_text(SETTINGS.format(target=zoo.address, drain="1s"))
        with running_loom("--config", "loom.toml", home=tmp_path) as loom:
            code, printed = await reload(page_of(loom), tmp_path, "--json")
    assert (code, printed) == (0, '{"changes": [], "warnings": []}\n')
