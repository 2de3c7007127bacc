"""loom tail, calls, show, grpcurl and completion as processes, attached to a whole Loom."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from loom.cli import main
from loom.cli.output import Output, fit
from loom.model import MASK, Address
from loom.sessions import session_path
from tests.support.databases import change
from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import running_mirror, thing
from tests.support.session_files import write_session


def environment(api: LoomInstance, **more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LOOM_")}
    return {**kept, "PYTHONPATH": str(Path.cwd()), "LOOM_UI": str(api.loom.ui_address), **more}


@asynccontextmanager
async def started(
    api: LoomInstance, *arguments: str, **more: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """``loom …`` as a process, ended if it still runs: by a signal that lets its coverage be written."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loom", *arguments, env=environment(api, **more),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def loom(api: LoomInstance, *arguments: str, **more: str) -> tuple[int | None, str, str]:
    """Run ``loom …`` to its end: exit code, output, warnings."""
    async with started(api, *arguments, **more) as process:
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()


@pytest.fixture
async def api() -> AsyncIterator[LoomInstance]:
    async with running_mirror() as mirror, running_instance(mirror) as made:
        yield made


async def test_calls_are_listed_filtered_and_printed_as_json(api: LoomInstance) -> None:
    await api.call("Say", thing(text="one"))
    await api.call("Chat", thing(text="two"), thing(text="three"), metadata=[("x-tenant", "42")])
    code, out, _ = await loom(api, "calls")
    assert code == 0
    first, second = out.splitlines()
    assert "/mirror.v1.Mirror/Say" in first
    assert "/mirror.v1.Mirror/Chat" in second
    assert "\x1b" not in out
    _, out, _ = await loom(api, "calls", "--json", "-q", "meta:x-tenant=42")
    assert json.loads(out)["method"] == "/mirror.v1.Mirror/Chat"
    _, out, _ = await loom(api, "calls", "--color", "-n", "1")
    assert "\x1b[" in out
    assert len(out.splitlines()) == 1


async def test_bodies_are_searched_and_unreadable_ones_reported(api: LoomInstance, tmp_path: Path) -> None:
    for text in ("one", "two", "one more"):
        await api.call("Say", thing(text=text))
    code, out, err = await loom(api, "calls", "-q", "body:one", "-n", "1", "--json")
    assert (code, json.loads(out)["id"], err) == (0, 3, "")
    code, out, _ = await loom(api, "calls", "-q", "body:one", "--before", "3", "--json")
    assert (code, json.loads(out)["id"]) == (0, 1)
    async with running_instance(api.mirror, session="s", data_dir=tmp_path) as kept:
        await kept.call("Say", thing(text="one"))
        assert kept.loom.store is not None
        assert kept.loom.store.flush()
        change(kept.loom.store.path, "UPDATE batches SET events = x'dc00'")
        code, out, err = await loom(kept, "calls", "-q", "body:one")
    assert (code, out) == (0, "")
    assert "is damaged and was skipped" in err


async def test_a_search_whose_loom_disconnects_is_a_one_line_error(api: LoomInstance) -> None:
    async def begun(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(b'event: progress\r\ndata: {"searched": 1, "of": 5}\r\n\r\n')
        return answer

    app = web.Application()
    app.router.add_get("/api/search", begun)
    async with TestServer(app) as server:
        code, out, err = await loom(api, "calls", "-q", "body:x", "--ui", f"127.0.0.1:{server.port}")
    assert (code, out) == (2, "")
    assert err.endswith("closed the connection before the search was done; try again\n")
    assert len(err.splitlines()) == 1


async def test_a_bad_filter_is_one_line_and_exit_code_2(api: LoomInstance) -> None:
    for command in ("calls", "tail"):
        code, out, err = await loom(api, command, "-q", "order status:FOO")
        assert (code, out) == (2, "")
        assert "'order status:FOO', column 13: 'FOO' is" in err
        assert len(err.splitlines()) == 1


async def test_show_prints_everything_about_a_call(api: LoomInstance) -> None:
    call = await api.call(
        "Gather",
        thing(text="naïve \x1b[31m"),
        thing(big=7),
        metadata=[("authorization", "s3cret"), ("a-bin", b"\x00")],
    )
    code, out, _ = await loom(api, "show", str(call))
    assert code == 0
    for expected in (
        f"authorization: {MASK}",
        "a-bin: AA==",
        "mirrored: 2",
        '"big": "7"',
        "naïve",
        "reflection v1",
    ):
        assert expected in out
    assert "\x1b" not in out
    assert "s3cret" not in out
    _, out, _ = await loom(api, "show", str(call), "--reveal", "-n", "1")
    assert "s3cret" in out
    assert "and 2 more messages" in out
    _, out, _ = await loom(api, "show", str(call), "--json")
    views = json.loads(out)["message_views"]
    assert [view["direction"] for view in views] == ["request", "request", "response"]
    assert views[1]["json"] == {"big": "7"}


async def test_show_of_a_call_that_is_not_there(api: LoomInstance) -> None:
    code, _, err = await loom(api, "show", "7")
    assert (code, err) == (2, "loom: call 7 does not exist: nothing is recorded yet\n")
    code, out, err = await loom(api, "show", "seven")
    assert (code, out) == (2, "")
    assert err == "loom: Invalid value for 'ID': 'seven' is not a valid call id.\n"


async def test_grpcurl_prints_the_command_alone_and_its_notes_aside(api: LoomInstance, tmp_path: Any) -> None:
    call = await api.call("Say", thing(text="a"), metadata=[("authorization", "s3cret")])
    code, out, err = await loom(api, "grpcurl", str(call))
    assert code == 0
    assert out.startswith("grpcurl -plaintext")
    assert err.startswith("# authorization is masked")
    code, out, err = await loom(api, "grpcurl", str(call), "--reveal", "--protoset", str(tmp_path / "x.bin"))
    assert (code, err) == (0, "")
    assert f"-protoset {tmp_path}/x.bin" in out
    assert (tmp_path / "x.bin").stat().st_size > 100


async def test_grpcurl_of_a_call_without_a_schema_is_exit_code_1() -> None:
    async with running_mirror(described=False) as mirror, running_instance(mirror) as api:
        call = await api.call("Say", thing(text="a"))
        code, out, err = await loom(api, "grpcurl", str(call))
        assert (code, out) == (1, "")
        assert "--proto" in err


async def test_tail_begins_with_the_last_calls_and_follows(api: LoomInstance) -> None:
    await api.call("Say", thing(text="earlier"))
    async with started(api, "tail", "-n", "1") as tail:
        assert tail.stdout is not None
        assert b"/Say" in await tail.stdout.readline()
        await api.call("Chat", thing(text="later"))
        assert b"/Chat" in await tail.stdout.readline()


async def test_tail_prints_what_matches_by_metadata_and_as_json(api: LoomInstance) -> None:
    async with started(api, "tail", "--json", "-q", "meta:x-tenant=42") as tail:
        assert tail.stdout is not None
        await until_attached(api)
        await api.call("Say", thing(text="a"), metadata=[("x-tenant", "7")])
        matching = await api.call("Say", thing(text="b"), metadata=[("x-tenant", "42")])
        assert json.loads(await tail.stdout.readline())["id"] == matching


async def until_attached(api: LoomInstance) -> None:
    """Wait until somebody reads the feed."""
    changed = asyncio.Event()
    subscribe = api.loom.hub.subscribe

    def noted(subscriber: Any) -> None:
        subscribe(subscriber)
        changed.set()

    api.loom.hub.subscribe = noted  # type: ignore[method-assign]
    if not api.loom.hub.subscribers:
        await changed.wait()


async def test_tail_ends_when_its_reader_closes_the_pipe(api: LoomInstance) -> None:
    await api.call("Say", thing(text="a"))
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", f"set -o pipefail; {sys.executable} -m loom tail | head -n 1",
        env=environment(api), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()  # without another call, nothing more is ever written
    assert (process.returncode, err) == (0, b"")
    assert b"/Say" in out


async def test_a_broken_pipe_in_a_long_list_is_not_an_error(api: LoomInstance) -> None:
    for _ in range(30):
        await api.call("Say", b"")
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", f"set -o pipefail; {sys.executable} -m loom calls | head -n 1",
        env=environment(api), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert (process.returncode, err, len(out.splitlines())) == (0, b"", 1)


async def test_tail_reconnects_resumes_and_reports_it() -> None:
    async with running_mirror() as mirror, running_instance(mirror) as first:
        port = first.loom.ui_address
        assert port is not None
        async with started(first, "tail", "-n", "5") as tail:
            assert tail.stdout is not None
            assert tail.stderr is not None
            await first.call("Say", b"")
            assert b"/Say" in await tail.stdout.readline()
            await first.loom.stop(0)
            assert b"trying again" in await tail.stderr.readline()
            async with running_instance(mirror, ui=port) as second:
                warning = await tail.stderr.readline()
                while b"restarted" not in warning:
                    warning = await tail.stderr.readline()
                await second.call("Chat", thing(text="x"))
                assert b"/Chat" in await tail.stdout.readline()


async def test_tail_does_not_print_a_restored_session_again(tmp_path: Path) -> None:
    async with running_mirror() as mirror, running_instance(mirror, session="s", data_dir=tmp_path) as first:
        for _ in range(5):
            await first.call("Gather", b"")
        async with started(first, "tail", "-n", "1") as tail:
            assert tail.stdout is not None
            assert b" 5 " in await tail.stdout.readline()
            await first.call("Say", b"")
            assert b" 6 " in await tail.stdout.readline()
            port = first.loom.ui_address
            await first.loom.stop(0)
            async with running_instance(mirror, ui=port, session="s", data_dir=tmp_path) as second:
                await second.call("Chat", thing(text="x"))
                assert b" 7 " in await tail.stdout.readline()
                await second.call("Chat", thing(text="y"))
                assert b" 8 " in await tail.stdout.readline()


async def test_without_a_running_loom_commands_name_the_next_step(api: LoomInstance) -> None:
    for arguments in (("tail",), ("calls",), ("show", "1"), ("grpcurl", "1")):
        code, out, err = await loom(api, *arguments, "--ui", "127.0.0.1:1")
        assert (code, out) == (2, "")
        assert err.startswith("loom: no Loom answers at http://127.0.0.1:1: start one")
        assert len(err.splitlines()) == 1


async def test_an_inspector_beyond_loopback_requires_its_token() -> None:
    wide = Address("0.0.0.0", 0)
    async with running_mirror() as mirror, running_instance(mirror, ui=wide, token="t0ken") as api:
        assert api.loom.ui_address is not None
        where = f"127.0.0.1:{api.loom.ui_address.port}"
        code, _, err = await loom(api, "calls", "--ui", where)
        assert code == 2
        assert "token" in err
        assert (await loom(api, "calls", "--ui", where, "--token", "t0ken"))[0] == 0
        assert (await loom(api, "calls", "--ui", where, LOOM_TOKEN="t0ken"))[0] == 0
        assert (await loom(api, "calls", "--ui", f"http://{where}/?token=t0ken"))[0] == 0


async def test_a_server_that_is_not_a_loom_is_reported(api: LoomInstance) -> None:
    for command in ("calls", "tail"):
        for address in (api.mirror.address, str(api.loom.listen_address)):
            code, _, err = await loom(api, command, "--ui", address)
            assert code == 2
            where = f"loom: http://{address} does not answer as a Loom: is it a gRPC port? "
            assert err == f"{where}--ui takes the inspector's address, which Loom prints when it starts\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_completion_scripts(api: LoomInstance, shell: str) -> None:
    code, out, _ = await loom(api, "completion", shell)
    assert code == 0
    assert "_LOOM_COMPLETE" in out


async def test_ids_and_commands_complete(api: LoomInstance) -> None:
    call = await api.call("Say", b"")
    _, out, _ = await loom(api, _LOOM_COMPLETE="bash_complete", COMP_WORDS="loom show ", COMP_CWORD="2")
    assert out == f"plain,{call}\n"
    _, out, _ = await loom(api, _LOOM_COMPLETE="bash_complete", COMP_WORDS="loom ta", COMP_CWORD="1")
    assert out == "plain,tail\n"


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("loom sessions show ", ["plain,checkout", "plain,default"]),
        ("loom sessions export d", ["plain,default"]),
        ("loom sessions import FILE --session ch", ["plain,checkout"]),
        ("loom replay d", ["plain,default"]),
        ("loom replay other", ["file,other"]),
        ("loom --session c", ["plain,checkout"]),
        ("loom sessions --data-dir elsewhere show ", []),
        ("loom --engine ", ["plain,relay", "plain,wire"]),
        ("loom --breaker ", ["plain,off"]),
        ("loom --proto x", ["file,x"]),
        ("loom --data-dir x", ["dir,x"]),
    ],
)
def test_sessions_words_and_files_complete(
    line: str,
    offered: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("default", "checkout"):
        write_session(session_path(name, tmp_path / "sessions"), []).close()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOOM_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("_LOOM_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    with pytest.raises(SystemExit):
        main([])
    assert sorted(capsys.readouterr().out.split()) == offered


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("short", 10, "short"),
        ("exactly ten", 11, "exactly ten"),
        ("longer than ten", 10, "longer th…"),
        ("\x1b[1mlonger\x1b[0m than ten", 10, "\x1b[1mlonger\x1b[0m th…"),
        ("\x1b[1mlonger than ten\x1b[0m", 10, "\x1b[1mlonger th\x1b[0m…"),
    ],
)
def test_lines_fit_a_terminal(text: str, width: int, expected: str) -> None:
    assert fit(text, width) == expected


def test_a_pipe_has_no_width(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(sys.stdout)
    output.line("x" * 500, cut=True)
    assert capsys.readouterr().out == "x" * 500 + "\n"


async def test_tail_reports_skipped_updates_and_fetches_the_calls(api: LoomInstance) -> None:
    async with started(api, "tail", "-n", "1") as tail:
        assert tail.stdout is not None
        assert tail.stderr is not None
        await until_attached(api)
        await api.call("Say", b"")
        assert b"/Say" in await tail.stdout.readline()
        api.loom.hub.send("gap", {"missed": 7})
        assert b"7 updates were skipped" in await tail.stderr.readline()
        await api.call("Chat", b"")
        assert b"/Chat" in await tail.stdout.readline()
