"""Every command on a terminal, over calls and sessions whose every text would drive it."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from loom.model import (
    CallEnded,
    CallStarted,
    Direction,
    EndedBy,
    Event,
    HalfClosed,
    MessageSeen,
    MetadataSeen,
    Section,
    Status,
    StatusCode,
    StoredDescriptorSet,
)
from loom.sessions import SessionWriter, session_path
from tests.support.loom_instance import running_instance
from tests.support.loom_process import environment
from tests.support.mirror import SERVICE, file_set, running_mirror, thing
from tests.support.traffic import START_NS, recorded

HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b8m\r\x7f\u202e\u2028"
STYLE = re.compile(r"\x1b\[(?:0|1|2|31|32|33)m")


def hostile_call(call_id: int, method: str) -> list[Event]:
    at = START_NS
    metadata = ((f"x-{HOSTILE}", HOSTILE), ("x-text", HOSTILE), ("x-bin", HOSTILE.encode()))
    data = thing(text=HOSTILE)
    return [
        CallStarted(
            call_id,
            at,
            method,
            HOSTILE,
            HOSTILE,
            f"target{HOSTILE}:1",
            content_type=f"application/grpc{HOSTILE}",
        ),
        MetadataSeen(call_id, at, Section.REQUEST, metadata),
        MessageSeen(call_id, at, Direction.REQUEST, data),
        MessageSeen(call_id, at, Direction.REQUEST, data, compressed=True, encoding=HOSTILE),
        HalfClosed(call_id, at),
        MetadataSeen(call_id, at, Section.INITIAL, metadata),
        MetadataSeen(
            call_id, at, Section.TRAILING, (*metadata, ("grpc-status-details-bin", HOSTILE.encode()))
        ),
        CallEnded(call_id, at + 1_000, Status(StatusCode.INTERNAL, HOSTILE), EndedBy.BACKEND, HOSTILE),
    ]


HOSTILE_CALLS = [*hostile_call(1, f"/{SERVICE}/Say"), *hostile_call(2, f"/a.B/{HOSTILE}")]


def on_terminal(home: Path, *arguments: str, **variables: str) -> str:
    """Run ``loom ARGUMENTS`` with a terminal as stdout and stderr, in colour; return what it wrote."""
    terminal, device = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "loom", *arguments],
        cwd=home,
        env={**environment(home), "NO_COLOR": "", "TERM": "xterm", **variables},
        stdin=subprocess.DEVNULL,
        stdout=device,
        stderr=device,
    )
    os.close(device)
    output = b""
    try:
        while chunk := os.read(terminal, 65_536):
            output += chunk
            if arguments[0] == "tail" and b"Say" in output:
                process.terminate()
    except OSError:  # how Linux reports the end
        pass
    finally:
        os.close(terminal)
        process.wait()
    return output.decode()


def assert_harmless(text: str) -> None:
    unstyled = STYLE.sub("", text.replace("\r\n", "\n"))
    assert unstyled.strip()
    assert [line for line in unstyled.split("\n") if not line.isprintable()] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("calls",),
        ("calls", "--json"),
        ("tail", "-n", "5"),
        ("show", "1"),
        ("show", "2"),
        ("show", "1", "--json"),
        ("grpcurl", "1", "--reveal"),
        ("grpcurl", "2"),
    ],
    ids=" ".join,
)
async def test_commands_on_a_running_loom(arguments: tuple[str, ...], tmp_path: Path) -> None:
    async with running_mirror() as mirror, running_instance(mirror) as api:
        api.loom.sink.emit_all([HOSTILE_CALLS])
        output = await asyncio.to_thread(on_terminal, tmp_path, *arguments, LOOM_UI=str(api.loom.ui_address))
    assert_harmless(output)
    if "--json" in arguments:
        assert json.loads(output.splitlines()[0])["peer"] == HOSTILE


@pytest.fixture
def hostile_session(tmp_path: Path) -> Path:
    """A data directory with the session ``ci``."""
    writer = SessionWriter(session_path("ci", tmp_path / "sessions"))
    writer.open()
    writer.put_descriptors(
        StoredDescriptorSet(HOSTILE, HOSTILE, HOSTILE, 5_000, file_set().SerializeToString())
    )
    for event in HOSTILE_CALLS:
        writer.emit(event)
    assert writer.flush()
    writer.close()
    assert len(recorded(*HOSTILE_CALLS)) == 2
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("sessions", "list"),
        ("sessions", "show", "ci"),
        ("sessions", "export", "ci"),
        ("sessions", "export", "ci", "--format", "har"),
        ("sessions", "export", "ci", "--format", "grpcurl"),
        ("sessions", "export", "ci", "--format", "bundle"),
        ("sessions", "show", HOSTILE),
        ("sessions", "import", f"no{HOSTILE}such"),
        ("open", f"no{HOSTILE}such"),
        ("calls", "-q", f"status:{HOSTILE}"),
        ("replay", f"no{HOSTILE}such", "--target", "localhost:1"),
        ("--target", HOSTILE),
        (f"--{HOSTILE}",),
    ],
    ids=lambda arguments: ascii(" ".join(arguments))[:40],
)
def test_commands_on_sessions_and_errors(arguments: tuple[str, ...], hostile_session: Path) -> None:
    assert_harmless(on_terminal(hostile_session, *arguments, LOOM_DATA_DIR=str(hostile_session)))


async def test_a_replay_of_a_hostile_session(hostile_session: Path) -> None:
    async with running_mirror() as mirror:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "loom", "replay", "ci", "--target", mirror.address, "--color",
            env={**environment(hostile_session), "LOOM_DATA_DIR": str(hostile_session)},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
    assert_harmless(out.decode())
    assert_harmless(err.decode() or "-")


async def test_exports_to_a_pipe_are_unchanged(hostile_session: Path) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "loom", "sessions", "export", "ci", "--reveal"],
        env={**environment(hostile_session), "LOOM_DATA_DIR": str(hostile_session)},
        capture_output=True,
        check=True,
    )
    calls = [json.loads(line) for line in done.stdout.splitlines()]
    assert [call["peer"] for call in calls if "peer" in call] == [HOSTILE, HOSTILE]
