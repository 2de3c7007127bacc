"""Every term is documented, and its example is valid."""

from pathlib import Path

import pytest

from loom.recording.query import TERMS, FilterError, parse

DOC = (Path(__file__).parents[3] / "docs" / "reference" / "filter.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in TERMS if name])
def test_is_documented(name: str) -> None:
    rows = [line for line in DOC.splitlines() if line.startswith(f"| `{name}:` |")]
    assert len(rows) == 1
    assert f"`{TERMS[name].example}`" in rows[0]


@pytest.mark.parametrize("name", TERMS)
def test_the_example_is_valid(name: str) -> None:
    assert parse(TERMS[name].example).groups


def test_cheap_terms_are_evaluated_first() -> None:
    query = parse("body:alice meta:x kind:unary")
    assert [group.cost for group in query.groups] == [0, 1, 2]


@pytest.mark.parametrize("term", ["id", "bytes", "duration", "messages"])
@pytest.mark.parametrize("digits", [30, 400, 5000])
def test_a_number_of_any_length_is_parsed(term: str, digits: int) -> None:
    assert parse(f"{term}:{'9' * digits}").groups


@pytest.mark.parametrize("digits", [30, 400, 5000])
def test_a_status_of_many_digits_is_an_error(digits: int) -> None:
    with pytest.raises(FilterError, match="is not a status"):
        parse(f"status:{'9' * digits}")
