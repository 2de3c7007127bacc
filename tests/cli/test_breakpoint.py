"""``loom break`` on a running Loom: without a terminal, and with one whose keys the test presses."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from loom.cli import main
from loom.interception.holds import Holds
from tests.support.holding import wait_for_change
from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import SERVICE, running_mirror, thing
from tests.support.narrowing import required
from tests.support.raw_calls import unary_unary


@pytest.fixture
async def api() -> AsyncIterator[LoomInstance]:
    async with running_mirror() as mirror, running_instance(mirror) as made:
        yield made


def holds_of(api: LoomInstance) -> Holds:
    return required(api.loom.interceptor).holds


class Session:
    """A ``loom break`` as a process; on a terminal of its own, if the test presses keys."""

    def __init__(self, process: asyncio.subprocess.Process, keyboard: int) -> None:
        self.process = process
        self._keyboard = keyboard

    def press(self, keys: str) -> None:
        os.write(self._keyboard, keys.encode())

    async def until(self, text: str, stream: str = "stderr") -> str:
        """What was written, until a line has the text."""
        lines = b""
        reader = required(getattr(self.process, stream))
        try:
            async with asyncio.timeout(60):
                while text.encode() not in lines:
                    line = await reader.readline()
                    assert line, lines.decode()
                    lines += line
        except TimeoutError:
            pytest.fail(f"no line has {text!r}: {lines.decode()}")
        return lines.decode()

    async def end(self) -> tuple[int | None, str]:
        async with asyncio.timeout(60):
            out, _ = await self.process.communicate()
        return self.process.returncode, out.decode()


@asynccontextmanager
async def session(
    api: LoomInstance, *arguments: str, terminal: bool = False, **more: str
) -> AsyncIterator[Session]:
    """A breakpoint that is set and followed."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LOOM_")}
    environment = {**kept, "PYTHONPATH": str(Path.cwd()), "LOOM_UI": str(api.loom.ui_address), **more}
    keyboard, theirs = os.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loom", "break", *arguments, env=environment,
        stdin=theirs if terminal else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    os.close(theirs)
    made = Session(process, keyboard)
    try:
        await made.until("waiting for")
        yield made
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
        os.close(keyboard)


def say(api: LoomInstance, text: str = "a", **options: Any) -> Any:
    return unary_unary(api.channel, f"/{SERVICE}/Say")(thing(text=text), **options)


async def test_every_item_is_decided_on_without_a_terminal(api: LoomInstance) -> None:
    options = ("method:Say", "--response", "--do", "send", "--set", "text=b", "--set", "3=7", "--count", "2")
    async with session(api, *options, "--json") as it:
        assert await say(api) == thing(text="b", big=7)
        assert await say(api) == thing(text="b", big=7)
        code, out = await it.end()
    assert code == 0
    shown = [json.loads(line) for line in out.splitlines()]
    assert [(item["point"], item["message"]["json"]) for item in shown] == [
        ("response-message", {"text": "a"}),
        ("response-message", {"text": "a"}),
    ]
    assert holds_of(api).breakpoints.is_empty


async def test_a_decision_that_does_not_fit_sends_the_item_as_it_is(api: LoomInstance) -> None:
    options = ("method:Say", "--request", "--do", "send", "--set", "nothing=1", "--count", "1")
    async with session(api, *options) as it:
        assert await say(api) == thing(text="a")
        assert "has no field 'nothing'" in await it.until("sent as it is")


async def test_every_call_is_answered(api: LoomInstance) -> None:
    async with session(api, "method:Say", "--request", "--answer", "NOT_FOUND no order", "--count", "1"):
        call = say(api)
        assert await call.code() is grpc.StatusCode.NOT_FOUND
        assert await call.details() == "no order"


async def test_an_interrupt_removes_the_breakpoint_and_sends_what_it_holds(api: LoomInstance) -> None:
    async with session(api, "method:Say", terminal=True) as it:
        call = say(api)
        await it.until("[s]end")
        it.process.send_signal(signal.SIGINT)
        code, _ = await it.end()
    assert code == 130
    assert await call == thing(text="a")
    assert holds_of(api).breakpoints.is_empty


async def test_keys_decide(api: LoomInstance, tmp_path: Path) -> None:
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\nsed -i s/edited/DONE/ "$1"\n')
    editor.chmod(0o755)
    options = ("method:Say", "--request", "--response", "--point", "status")
    async with session(api, *options, terminal=True, EDITOR=str(editor), VISUAL="") as it:
        call = say(api, "edited")
        await it.until("[s]end")
        it.press("e")
        await it.until("[s]end")
        assert api.mirror.received[0].messages == [thing(text="DONE")]
        it.press("f")
        await it.until("PATH=VALUE")
        it.press("text=field\n")
        await it.until("[s]end")
        it.press("?")
        await it.until("quit")
        await it.until("[s]end")
        it.press("f")
        await it.until("PATH=VALUE")
        it.press("no\n")
        await it.until("is not PATH=VALUE")
        it.press("s")
        await it.until("[s]end")
        it.press("a")
        await it.until("status and message")
        it.press("ABORTED by hand\n")
        assert await call.code() is grpc.StatusCode.ABORTED
        assert await call.details() == "by hand"
        it.press("q")  # nothing is held: taken for the next item
        second = say(api)
        code, out = await it.end()
    assert code == 0
    assert await second == thing(text="a")
    assert '"text": "edited"' in out
    assert '"text": "field"' in out


async def test_an_item_that_is_sent_by_itself_is_said(api: LoomInstance) -> None:
    async with session(api, "method:Say", "--request", terminal=True) as it:
        call = say(api)
        await it.until("[s]end")
        holds_of(api).resume("sent: resumed")
        await it.until("it was sent automatically")
        assert await call == thing(text="a")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["method:Say"], "stdin is not a terminal: say what to do with each item"),
        (["method:Say", "--do", "drop", "--set", "a=1"], "--set takes --do send"),
        (["--do", "send", "--set", "a"], "'a' is not PATH=VALUE"),
        (["--do", "send", "--release", "soon"], "'soon' is not deadline, never"),
        (["--do", "send", "--answer", "OK"], "--answer goes with neither"),
        (["--do", "fly"], "'fly' is not one of"),
    ],
)
def test_wrong_usage_is_said(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["break", *words])
    assert exited.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())


async def test_what_loom_refuses_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    async with running_mirror() as mirror, running_instance(mirror, engine="wire") as wire:
        address = str(wire.loom.ui_address)

        def run(*words: str) -> object:
            with pytest.raises(SystemExit) as exited:
                main(["break", *words, "--do", "send", "--ui", address])
            return exited.value.code

        assert await asyncio.to_thread(run, "method:Say") == 2
        assert "--engine relay" in capsys.readouterr().err


async def test_a_filter_that_cannot_be_is_said(api: LoomInstance, capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> object:
        with pytest.raises(SystemExit) as exited:
            main(["break", "status:OK", "--do", "send", "--ui", str(api.loom.ui_address)])
        return exited.value.code

    assert await asyncio.to_thread(run) == 2
    assert "'status:' is not known when a call starts" in capsys.readouterr().err
    await wait_for_change(holds_of(api), lambda: holds_of(api).breakpoints.is_empty)
