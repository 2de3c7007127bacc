"""The documentation names every setting, and says of it what the code says."""

from pathlib import Path

from loom.cli.reference import update
from loom.runtime.settings import options

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"


def test_the_reference_is_up_to_date() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert update(text) == text, "run 'make docs'"


def test_every_setting_is_named() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for option in options():
        assert f"`{option.flag}" in text
        assert f"`{option.variable}`" in text
        assert f"`{option.key}`" in text
