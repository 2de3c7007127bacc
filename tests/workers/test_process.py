"""A worker process from its parent's side, on both event loops: messages, its end, and how it died."""

import asyncio
import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop

from loom.workers import WorkerDiedError, WorkerProcess, encode_frame, read_frame

DECODER = msgspec.msgpack.Decoder(Any)
ECHO = """
import sys
from loom.workers import read_frame
while True:
    try:
        body = read_frame(sys.stdin.buffer)
    except EOFError:
        break
    sys.stdout.buffer.write(len(body).to_bytes(4, "big") + body)
    sys.stdout.buffer.flush()
"""

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
}


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    def run(work: Any) -> Any:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            return runner.run(work)

    return run


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Makes a module of a source text that a worker process can run."""

    def make(source: str) -> str:
        (tmp_path / "a_worker.py").write_text(source)
        return "a_worker"

    monkeypatch.syspath_prepend(tmp_path)
    return make


def test_messages_go_there_and_back_and_the_end_of_input_ends_it(run: Any, module: Any) -> None:
    async def work() -> None:
        process = await WorkerProcess.start(module(ECHO))
        if sys.platform == "linux":  # where memory runs out, it is killed before its parent
            score = Path(f"/proc/{process.pid}/oom_score_adj")
            assert await asyncio.to_thread(score.read_text) == "500\n"
        for message in ({"a": 1}, b"x" * 3_000_000, None):
            sending = asyncio.ensure_future(process.send(message))
            assert await process.receive(DECODER) == message
            await sending
        await process.end()
        assert process._process.returncode == 0

    run(work())


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("raise ValueError('it is broken')", "ValueError: it is broken"),
        ("import os; os.kill(os.getpid(), 11)", "signal 11 (SIGSEGV)"),
        ("import os; os.write(2, b'free(): bad\\n'); os.abort()", "signal 6 (SIGABRT): free(): bad"),
        ("import os; os.write(2, b'\\x1b]0;title\\x07'); os._exit(3)", "?]0;title?"),
        ("import os; os._exit(3)", "exit code 3"),
        ("", "it ended without an answer"),
        ("import os; os.write(1, b'\\0\\0\\0\\x09half'); os._exit(3)", "exit code 3"),
    ],
)
def test_how_it_died(run: Any, module: Any, source: str, cause: str) -> None:
    async def work() -> None:
        process = await WorkerProcess.start(module(source))
        await process.send(b"x" * 3_000_000)  # more than a pipe takes
        with pytest.raises(WorkerDiedError) as caught:
            await process.receive(DECODER)
        assert str(caught.value) == cause
        assert not process.alive

    run(work())


def test_what_is_not_an_answer_ends_it(run: Any, module: Any) -> None:
    async def work() -> None:
        source = "import os, time; os.write(1, b'\\0\\0\\0\\1\\xc1'); time.sleep(600)"
        process = await WorkerProcess.start(module(source))
        with pytest.raises(WorkerDiedError, match="it sent what is not an answer"):
            await process.receive(DECODER)
        assert not process.alive

    run(work())


def test_killed_while_it_is_waited_for(run: Any, module: Any) -> None:
    async def work() -> None:
        process = await WorkerProcess.start(module(ECHO))
        await process.send(1)
        assert await process.receive(DECODER) == 1
        receiving = asyncio.ensure_future(process.receive(DECODER))
        await asyncio.sleep(0)
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(WorkerDiedError, match=r"signal 9 \(SIGKILL\)"):
            await receiving
        await process.send(2)  # to nobody, without an error
        await process.kill()

    run(work())


def test_a_killed_process_is_reaped_although_its_killer_is_cancelled(run: Any, module: Any) -> None:
    async def work() -> None:
        loop, executor, free = asyncio.get_running_loop(), ThreadPoolExecutor(1), threading.Event()
        loop.set_default_executor(executor)
        process = await WorkerProcess.start(module(ECHO))
        executor.submit(free.wait)  # so that waiting for the process's end cannot begin
        killing = asyncio.ensure_future(process.kill())
        await asyncio.sleep(0)
        killing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await killing
        free.set()
        await loop.shutdown_default_executor()
        assert process._process.returncode == -signal.SIGKILL

    run(work())


def test_a_process_that_cannot_be_started(run: Any, module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/no/such/python")
    with pytest.raises(WorkerDiedError, match="could not be started: No such file or directory"):
        run(WorkerProcess.start(module(ECHO)))


def test_nothing_of_the_working_directory_is_imported(
    run: Any, module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "untrusted"
    folder.mkdir()
    (folder / "msgspec.py").write_text("raise SystemExit(77)")
    monkeypatch.chdir(folder)

    async def work() -> None:
        process = await WorkerProcess.start(module(ECHO))
        await process.send("hello")
        assert await process.receive(DECODER) == "hello"
        await process.end()

    run(work())


def test_frames() -> None:
    stream = io.BytesIO(encode_frame([1, "two"]) + encode_frame(b"") + b"\0\0")
    assert msgspec.msgpack.decode(read_frame(stream)) == [1, "two"]
    assert msgspec.msgpack.decode(read_frame(stream)) == b""
    with pytest.raises(EOFError):
        read_frame(stream)
    with pytest.raises(EOFError):
        read_frame(io.BytesIO(b"\0\0\0\2x"))
