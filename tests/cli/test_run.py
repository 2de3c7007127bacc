"""``loom`` as a process: output, shutdown, errors at start."""

import socket
import sys
from pathlib import Path

import grpc
import pytest

from tests.support.api import fetch_json, fetch_status
from tests.support.loom_process import LoomProcess, environment, running_loom
from tests.support.raw_calls import stream_stream, unary_unary
from tests.support.zoo import running_zoo

ANYWHERE = ("--listen", "localhost:0", "--ui", "localhost:0", "--no-session")


def addresses(loom: LoomProcess) -> tuple[str, str]:
    """Where it listens and where its page is, as it prints them."""
    client = loom.expect(r"client +point it at (\S+)")[1]
    page = loom.expect(r"page +http://(\S+?)/\?token=\S+")[1]
    return client, page


async def test_a_call_is_forwarded_and_printed(tmp_path: Path) -> None:
    async with running_zoo() as zoo:
        with running_loom("--target", zoo.address, *ANYWHERE, home=tmp_path) as loom:
            client, page = addresses(loom)
            async with grpc.aio.insecure_channel(client) as channel:
                assert await unary_unary(channel, "/zoo.Zoo/Echo")(b"hello") == b"hello"
            loom.expect(r"✓ OK +/zoo\.Zoo/Echo +→ unary +↑1 5 B ↓1 5 B +\d")
            (call,) = fetch_json(page, "/api/calls")["calls"]
            assert call["method"] == "/zoo.Zoo/Echo"
            loom.interrupt()
            assert loom.wait() == 0


async def test_without_its_target_it_starts_and_answers_unavailable(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: nobody else gets it, and it refuses
        port = taken.getsockname()[1]
        with running_loom("--target", f"127.0.0.1:{port}", *ANYWHERE, home=tmp_path) as loom:
            client, _ = addresses(loom)
            async with grpc.aio.insecure_channel(client) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await unary_unary(channel, "/a.B/C")(b"")
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert str(port) in str(caught.value.details())
            loom.expect("✗ UNAVAILABLE +/a.B/C")


async def test_ctrl_c_drains_and_a_second_one_ends_at_once(tmp_path: Path) -> None:
    async with running_zoo() as zoo:
        with running_loom("--target", zoo.address, "--drain", "20m", *ANYWHERE, home=tmp_path) as loom:
            client, page = addresses(loom)
            async with grpc.aio.insecure_channel(client) as channel:
                stream = stream_stream(channel, "/zoo.Zoo/Echo")()
                await stream.write(b"one")
                assert await stream.read() == b"one"
                loom.interrupt()
                while fetch_status(page, "/ready") != 503:
                    pass  # two signals that come before it has seen the first are one
                # Draining: what runs goes on.
                await stream.write(b"two")
                assert await stream.read() == b"two"
                loom.interrupt()
                assert loom.wait() != 0
                assert not any("Traceback" in line for line in loom.rest())


async def test_draining_is_bounded(tmp_path: Path) -> None:
    async with running_zoo() as zoo:
        with running_loom("--target", zoo.address, "--drain", "100ms", *ANYWHERE, home=tmp_path) as loom:
            client, _ = addresses(loom)
            async with grpc.aio.insecure_channel(client) as channel:
                stream = stream_stream(channel, "/zoo.Zoo/Echo")()
                await stream.write(b"one")
                assert await stream.read() == b"one"
                loom.interrupt()
                assert loom.wait() == 0


def start_error(home: Path, *arguments: str) -> str:
    """Return the one-line error of a Loom with these flags, which exits with 2."""
    with running_loom(*ANYWHERE, *arguments, home=home) as loom:
        lines = loom.rest()
        assert len(lines) == 1, lines
        line = lines[0]
        assert loom.wait() == 2
    assert line.startswith("loom: ")
    return line


@pytest.mark.parametrize("setting", ["--listen", "--ui"])
def test_a_port_in_use(tmp_path: Path, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        line = start_error(tmp_path, setting, address)
    assert address in line
    assert setting in line
    assert "in use" in line


def test_an_address_that_cannot_be_resolved(tmp_path: Path) -> None:
    assert "'nowhere.invalid' cannot be resolved" in start_error(tmp_path, "--listen", "nowhere.invalid:1")


def test_a_target_that_cannot_be_resolved_yet_is_waited_for(tmp_path: Path) -> None:
    with running_loom("--target", "nowhere.invalid:1", *ANYWHERE, home=tmp_path) as loom:
        loom.expect(
            "--target nowhere.invalid:1: 'nowhere.invalid' cannot be resolved .* trying again until it can be"
        )
        loom.expect("Ctrl-C")
        loom.interrupt()
        assert loom.wait() == 0


def test_files_that_are_not_pem(tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("not PEM")
    line = start_error(tmp_path, "--listen-cert", "cert.pem", "--listen-key", "key.pem")
    assert "--listen-cert" in line
    assert "PEM" in line


def test_quiet_prints_no_line_per_call(tmp_path: Path) -> None:
    with running_loom("--demo", "--quiet", *ANYWHERE, home=tmp_path) as loom:
        page = loom.expect(r"page +http://(\S+?)/\?token=\S+")[1]
        loom.expect("Ctrl-C")
        while fetch_json(page, "/api/stats")["calls_total"] < 3:
            pass  # the test's own time limit ends this
        loom.interrupt()
        assert loom.rest() == []
        assert loom.wait() == 0


def test_the_demo_shows_calls_of_all_four_kinds(tmp_path: Path) -> None:
    with running_loom("--demo", *ANYWHERE, home=tmp_path) as loom:
        loom.expect("Ctrl-C")
        seen: set[str] = set()
        while len(seen) < 4:
            seen.add(loom.expect(r"[→⇇⇉⇄] (\w+)")[1])
        assert seen == {"unary", "server", "client", "bidi"}


def test_settings_from_variables_and_a_file(tmp_path: Path) -> None:
    (tmp_path / "loom.toml").write_text('listen = "localhost:0"\nsession = false\n')
    variables = environment(tmp_path) | {"LOOM_UI": "off", "LOOM_TARGET": "127.0.0.1:9"}
    with running_loom(home=tmp_path, variables=variables) as loom:
        loom.expect(r"client +point it at localhost:\d+ instead of 127\.0\.0\.1:9$")
        loom.expect(r"settings .*loom\.toml$")
        assert not any("page" in line for line in loom.lines)


def test_a_wrong_key_in_the_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "loom.toml").write_text("lissten = 5\n")
    assert "loom.toml: unknown key 'lissten'; did you mean 'listen'?" in start_error(tmp_path)


def test_an_ascii_terminal_gets_replacement_characters(tmp_path: Path) -> None:
    variables = environment(tmp_path) | {"PYTHONIOENCODING": "ascii"}
    with running_loom("--demo", *ANYWHERE, home=tmp_path, variables=variables) as loom:
        loom.expect(r"\? OK +/harbour\.v1")
        loom.interrupt()
        assert loom.wait() == 0


def test_a_closed_stdout_is_not_an_error(tmp_path: Path) -> None:
    script = f'exec "{sys.executable}" -m loom {" ".join(ANYWHERE)} --log calls.ndjson 2>&1 >&-'
    with running_loom(home=tmp_path, program=["/bin/sh", "-c", script]) as loom:
        while not (tmp_path / "calls.ndjson").exists():
            pass  # the test's own time limit ends this
        loom.interrupt()
        assert loom.rest() == []
        assert loom.wait() == 0


def test_verbose_logs_loom_and_not_its_libraries(tmp_path: Path) -> None:
    with running_loom("--demo", "--verbose", *ANYWHERE, home=tmp_path) as loom:
        loom.expect("… started")
        loom.expect("✓ OK")
        loom.interrupt()
        loom.rest()
    logged = [line for line in loom.lines if " DEBUG " in line or " INFO " in line]
    assert all(" loom" in line for line in logged)
