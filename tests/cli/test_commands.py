"""The table of subcommands holds what it says."""

import click
import pytest

from loom.cli import main
from loom.cli.commands import COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_a_subcommand_is_there_and_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(COMMANDS[name].load(), click.Command)
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert not caught.value.code
    assert capsys.readouterr().out.startswith(f"Usage: loom {name} ")


def test_help_lists_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    for name, entry in COMMANDS.items():
        assert name in out
        assert entry.summary.split()[0] in out


@pytest.mark.parametrize("name", COMMANDS)
def test_flags_of_the_proxy_do_not_go_before_a_subcommand(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--target", "a:1", name])
    assert caught.value.code == 2
    assert f"--target configures the proxy; put flags of '{name}' after its name" in capsys.readouterr().err
