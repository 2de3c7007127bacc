"""The loom command: help, version, one-line errors."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from loom.cli import main
from loom.runtime.settings import options
from tests.support.loom_process import environment


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of ``loom ARGUMENTS``."""
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


def test_help_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--help")
    assert (code, err) == (0, "")
    for option in options():
        assert option.flag in out
        assert option.negative_flag is None or option.negative_flag in out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--version")
    assert code == 0
    assert out.startswith("loom 0.")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["--target", "nowhere"],
            (
                "loom: --target: expected HOST:PORT (e.g. localhost:50051 or [::1]:50051), https://HOST or unix:PATH,"
                " got 'nowhere'"
            ),
        ),
        (["--targt", "a:1"], "loom: No such option '--targt'"),
        (["frobnicate"], "loom: No such command 'frobnicate'"),
        (["--ui", "a:1", "--no-ui"], "loom: --ui and --no-ui conflict; remove one of them"),
        (["--tls", "--no-tls"], "loom: --tls and --no-tls conflict; remove one of them"),
        (["--no-color", "--color"], "loom: --color and --no-color conflict; remove one of them"),
        (["--demo", "--target", "a:1"], "loom: --target: conflicts with --demo"),
        (["--target"], "loom: Option '--target' requires an argument"),
        (["--config", "none.toml"], "loom: --config: no such file"),
    ],
)
def test_an_error_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert err.startswith(expected)
    assert err.count("\n") == 1


def test_help_imports_neither_grpc_nor_the_web_server() -> None:
    script = (
        "import sys, loom.cli\n"
        "try: loom.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'grpc', 'uvicorn', 'starlette', 'google.protobuf'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def loom(output: int, home: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and complaints of ``loom ARGUMENTS`` that writes to a descriptor."""
    done = subprocess.run(
        [sys.executable, "-m", "loom", *arguments],
        env=environment(home), stdout=output, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["sessions", "list"], ["completion", "bash"]])
def test_a_broken_pipe_is_not_an_error(tmp_path: Path, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert loom(writing, tmp_path, *arguments) == (0, "")
    finally:
        os.close(writing)


def test_a_write_error_is_one_line(tmp_path: Path) -> None:
    unwritable = os.open(__file__, os.O_RDONLY)
    try:
        assert loom(unwritable, tmp_path, "sessions", "list") == (2, "loom: Bad file descriptor\n")
    finally:
        os.close(unwritable)
