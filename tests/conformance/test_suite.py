"""A part of the Connect conformance suite, through each engine; ``make conformance`` runs all of it."""

from pathlib import Path

import pytest

from .__main__ import PROGRAMS, QUICK_RUNS, Run, run_suite
from .protocol import build_programs, compile_messages

pytestmark = pytest.mark.timeout(360)  # the first build takes a minute


@pytest.fixture(scope="module")
def messages() -> bytes:
    """The suite's programs, built, and its messages, compiled."""
    build_programs(PROGRAMS)
    return compile_messages()


@pytest.mark.parametrize("run", QUICK_RUNS, ids=str)
def test_cases_pass_and_records_are_as_reported(run: Run, messages: bytes, tmp_path: Path) -> None:
    outcome = run_suite(run, messages, tmp_path)
    assert not outcome.differences, "\n".join(map(str, outcome.differences[:20]))
    assert outcome.passed
    assert outcome.compared
