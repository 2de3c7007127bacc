"""The reference in docs/ names every setting and command, and says of them what the code says."""

from pathlib import Path

import click
import pytest

from loom.cli.reference import commands_reference, update
from loom.cli.root import make_command
from loom.runtime.settings import options

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", ["configuration.md", "command-line.md"])
def test_the_reference_is_up_to_date(name: str) -> None:
    text = (REFERENCE / name).read_text(encoding="utf-8")
    assert update(text) == text, "run 'make docs'"


def test_every_setting_is_named() -> None:
    text = (REFERENCE / "configuration.md").read_text(encoding="utf-8")
    for option in options():
        assert f"`{option.flag}" in text
        assert f"`{option.variable}`" in text
        assert f"`{option.key}`" in text


def test_every_command_and_subcommand_has_a_section() -> None:
    root = make_command()
    context = click.Context(root, info_name="loom")
    sessions = root.get_command(context, "sessions")
    assert isinstance(sessions, click.Group)
    names = [*root.list_commands(context), *(f"sessions {name}" for name in sessions.list_commands(context))]
    text = commands_reference()
    assert [name for name in names if f"## `loom {name}`\n" not in text] == []


def test_the_settings_are_not_repeated_among_the_flags_of_the_proxy() -> None:
    section, _, _ = commands_reference().partition("## `loom open`")
    assert "`--config FILE`" in section
    assert "## `loom check`" in section
    assert "--history-bytes" not in section


def test_mentions_of_documents_are_links() -> None:
    text = commands_reference()
    assert "[filter](filter.md)" in text
    assert "[replay](../how-to/replay.md)" in text
    assert "docs/" not in text


def test_a_document_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="generated: NAME"):
        update("# A document\n")
