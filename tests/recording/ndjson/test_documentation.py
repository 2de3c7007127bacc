"""docs/reference/format.md agrees with the code."""

import json
import re
from pathlib import Path

import jsonschema
import pytest

from loom.formats import FORMATS
from loom.recording.ndjson import Problem, json_schema, read_lines
from loom.recording.ndjson.lines import Call

DOC = (Path(__file__).parents[3] / "docs" / "reference" / "format.md").read_text(encoding="utf-8")
HEADER = re.search(r"`(\{\"type\":\"header\".*?\})`", DOC)
EXAMPLE = re.search(r"```json\n(\{\"type\": \"call\".*?)```", DOC, re.DOTALL)


def fail(problem: Problem) -> None:
    pytest.fail(str(problem))


def test_the_examples_fit_the_schema_and_are_read() -> None:
    assert HEADER is not None
    assert EXAMPLE is not None
    header, call = json.loads(HEADER[1]), json.loads(EXAMPLE[1])
    validator = jsonschema.Draft202012Validator(json_schema())
    for line in (header, call):
        assert [error.message for error in validator.iter_errors(line)] == []
    lines = [json.dumps(line).encode() for line in (header, call)]
    [read] = read_lines(lines, fail)
    assert [message.data for message in read.messages] == [b"\x0a\x04o-17"]  # type: ignore[union-attr]


def test_the_example_shows_every_field() -> None:
    assert EXAMPLE is not None
    shown = json.loads(EXAMPLE[1]).keys()
    assert shown - {"type"} == set(Call.__struct_fields__)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_its_section(name: str) -> None:
    assert f"\n## {name}\n" in DOC
    assert f"| [`{name}`](#{name}) |" in DOC
