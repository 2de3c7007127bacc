"""Timeouts and deadlines at their limits."""

import time

import pytest

from loom.grpc_core.deadlines import MAX_TIMEOUT, deadline_passed, timeout_of, upstream_deadline


@pytest.mark.parametrize(
    ("deadline", "timeout"),
    [(100.5, 0.5), (99.0, 0.0), (100.0 + 2 * MAX_TIMEOUT, MAX_TIMEOUT), (100.0 + 2e12, None)],
)
def test_the_timeout_of_a_deadline(deadline: float, timeout: float | None) -> None:
    assert timeout_of(deadline, 100.0) == timeout


@pytest.mark.parametrize(("timeout", "reduction"), [(1.0, 0.001), (3600.0, 0.01)])
def test_the_upstream_deadline_is_reduced_a_little(timeout: float, reduction: float) -> None:
    before = time.time()
    deadline = upstream_deadline(timeout)
    assert deadline is not None
    assert before + timeout - reduction <= deadline <= time.time() + timeout - reduction


def test_no_timeout_is_no_deadline() -> None:
    assert upstream_deadline(None) is None
    assert not deadline_passed(None, None)


@pytest.mark.parametrize(
    ("remaining", "timeout", "passed"),
    [(-1.0, 10.0, True), (0.05, 10.0, True), (0.051, 10.0, False), (0.01, 0.1, True), (0.011, 0.1, False)],
)
def test_a_deadline_passes_within_its_tolerance(remaining: float, timeout: float, passed: bool) -> None:
    assert deadline_passed(remaining, timeout) is passed


@pytest.mark.parametrize(
    ("remaining", "lag", "passed"),
    [(0.3, 0.0, False), (0.3, 0.25, True), (0.3, 0.2, False), (0.55, 9.0, True), (0.56, 9.0, False)],
)
def test_a_starved_machine_widens_the_tolerance_to_half_the_timeout(
    remaining: float, lag: float, passed: bool
) -> None:
    assert deadline_passed(remaining, 1.0, lag) is passed
