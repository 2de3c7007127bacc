"""The cases that the page's tests run too: tests/fixtures/filters.json."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from loom.api.calls import Summary
from loom.recording.query import FilterError, parse

FIXTURE = json.loads((Path(__file__).parents[2] / "fixtures" / "filters.json").read_text(encoding="utf-8"))
ANSWERS = [case for case in FIXTURE["cases"] if "ids" in case]
ERRORS = [case for case in FIXTURE["cases"] if "error" in case]


class Recorded:
    """The details of one call of the fixture."""

    def __init__(self, call: dict[str, Any]) -> None:
        self._call = call

    def metadata(self) -> list[tuple[str, str]]:
        return [(key, value) for key, value in self._call["metadata"]]

    def fields(self, containing: str = "") -> list[tuple[str, str]]:
        return [(at, text) for at, text in self._call["fields"]]


def summary(call: dict[str, Any]) -> Summary:
    return msgspec.convert(call, Summary)


@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: case["filter"])
def test_matches_these_calls(case: dict[str, Any]) -> None:
    query = parse(case["filter"])
    found = [call["id"] for call in FIXTURE["calls"] if query.matches(summary(call), Recorded(call))]
    assert found == case["ids"]


@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: case["filter"])
def test_a_summary_alone_rules_out_no_match(case: dict[str, Any]) -> None:
    query = parse(case["filter"])
    maybe = [call["id"] for call in FIXTURE["calls"] if query.answer(summary(call)) is not False]
    assert maybe == case.get("maybe", case["ids"])
    assert query.needs_details == ("maybe" in case)


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case["filter"])
def test_points_at_the_error(case: dict[str, Any]) -> None:
    with pytest.raises(FilterError) as caught:
        parse(case["filter"])
    assert caught.value.column == case["error"]["column"], str(caught.value)
    assert "\n" not in str(caught.value)
