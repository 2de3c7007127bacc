"""Nothing of others can drive a terminal or forge log lines."""

import io
import json
import logging

import pytest

from loom.runtime.terminal import LogFormatter, Palette, shorten, terminal_safe, terminal_safe_json

HOSTILE = "a\x1b[2J\x07\x9b31m\r\n\x7f\u2028\u202e\u2066\ud800b"
ESCAPED = r"a\x1b[2J\x07\x9b31m\x0d\x0a\x7f\u2028\u202e\u2066\ud800b"


def test_control_characters_are_escaped() -> None:
    assert terminal_safe(HOSTILE) == ESCAPED
    assert terminal_safe(ESCAPED) == ESCAPED
    assert terminal_safe("naïve → 日本語 😀") == "naïve → 日本語 😀"


def test_only_the_palettes_styles_are_kept() -> None:
    palette = Palette(enabled=True)
    styled = (
        palette.bold("a")
        + palette.dim("b")
        + palette.success("c")
        + palette.error("d")
        + palette.warning("e")
    )
    assert terminal_safe(styled, keep_styles=True) == styled
    assert terminal_safe("\x1b[8m\x1b[2;1H\x1b[1", keep_styles=True) == r"\x1b[8m\x1b[2;1H\x1b[1"
    assert "\x1b" not in terminal_safe(styled)


def test_json_keeps_its_value() -> None:
    value = {"text": HOSTILE.replace("\ud800", ""), "list": [1, None]}
    text = terminal_safe_json(value)
    assert json.loads(text) == value
    assert text.isprintable()


def test_text_is_shortened_with_its_escapes() -> None:
    assert shorten("x" * 500, 10) == "xxxxxxxxx…"
    assert shorten("x" * 10, 10) == "xxxxxxxxxx"
    assert shorten("\x1b" * 10, 10) == r"\x1b\x1b\…"


@pytest.mark.parametrize("argument", [HOSTILE, OSError(HOSTILE)])
def test_log_records_are_escaped(argument: object) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LogFormatter("%(levelname)s %(message)s"))
    logger = logging.Logger("test")  # noqa: LOG001 (of no other test)
    logger.addHandler(handler)
    try:
        int(HOSTILE)
    except ValueError:
        logger.exception("failed: %s", argument)
    lines = stream.getvalue().splitlines()
    assert lines[0] == f"ERROR failed: {ESCAPED}"
    assert lines[1] == "Traceback (most recent call last):"
    assert all(line.isprintable() for line in lines)
