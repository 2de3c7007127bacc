"""What the loom command says: help, version, and one line for whatever is wrong."""

import subprocess
import sys

import pytest

from loom.cli import main
from loom.runtime.settings import options


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of ``loom ARGUMENTS``."""
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


def test_help_names_every_flag(capsys):
    code, out, err = run(capsys, "--help")
    assert (code, err) == (0, "")
    for option in options():
        assert option.flag in out
        assert option.negative is None or option.negative in out


def test_version(capsys):
    code, out, _ = run(capsys, "--version")
    assert code == 0
    assert out.startswith("loom 0.")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--target", "nowhere"], "loom: --target: 'nowhere' is wrong; allowed is HOST:PORT"),
        (["--targt", "a:1"], "loom: No such option '--targt'"),
        (["frobnicate"], "loom: No such command 'frobnicate'"),
        (["--ui", "a:1", "--no-ui"], "loom: --ui and --no-ui contradict each other"),
        (["--target"], "loom: Option '--target' requires an argument"),
        (["--config", "none.toml"], "loom: --config: there is no file"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(capsys, arguments, expected):
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert err.startswith(expected)
    assert err.count("\n") == 1


def test_help_imports_neither_grpc_nor_the_web_server():
    script = (
        "import sys, loom.cli\n"
        "try: loom.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'grpc', 'uvicorn', 'starlette', 'google.protobuf'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
