"""The circuit breaker, with a fake clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.proxy.breaker import Breaker, Permit, State

THRESHOLD = 3
PAUSE = 1.0


def state_of(breaker: Breaker) -> State:
    """The state now; an attribute would be taken for unchanged by the type checker."""
    return breaker.state


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(threshold=THRESHOLD, pause=PAUSE, clock=clock)


def admit(breaker: Breaker) -> Permit:
    permit = breaker.admit()
    assert permit is not None
    return permit


def fail(breaker: Breaker, times: int = THRESHOLD) -> None:
    for permit in [admit(breaker) for _ in range(times)]:
        permit.record_failure()


def admit_probe(breaker: Breaker, clock: Clock) -> Permit:
    """Open the breaker, wait for the pause, and admit the probe."""
    fail(breaker)
    clock.now += PAUSE
    return admit(breaker)


def test_closed_admits_everything(breaker: Breaker) -> None:
    for _ in range(10):
        admit(breaker).record_success()
    assert state_of(breaker) is State.CLOSED


def test_opens_after_consecutive_failures(breaker: Breaker) -> None:
    fail(breaker, THRESHOLD - 1)
    assert state_of(breaker) is State.CLOSED
    fail(breaker, 1)
    assert state_of(breaker) is State.OPEN
    assert breaker.admit() is None


def test_a_success_resets_the_count(breaker: Breaker) -> None:
    fail(breaker, THRESHOLD - 1)
    admit(breaker).record_success()
    fail(breaker, THRESHOLD - 1)
    assert state_of(breaker) is State.CLOSED


def test_a_cancelled_call_does_not_count(breaker: Breaker) -> None:
    fail(breaker, THRESHOLD - 1)
    admit(breaker).cancel()
    assert state_of(breaker) is State.CLOSED
    fail(breaker, 1)
    assert state_of(breaker) is State.OPEN


def test_a_permit_counts_once(breaker: Breaker) -> None:
    permit = admit(breaker)
    for _ in range(THRESHOLD):
        permit.record_failure()
    assert state_of(breaker) is State.CLOSED


def test_refuses_until_the_pause_ends(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += PAUSE - 0.001
    assert breaker.admit() is None
    clock.now += 0.001
    assert breaker.admit() is not None


def test_admits_exactly_one_probe(breaker: Breaker, clock: Clock) -> None:
    admit_probe(breaker, clock)
    assert state_of(breaker) is State.HALF_OPEN
    assert [breaker.admit() for _ in range(100)] == [None] * 100


def test_the_probes_success_closes(breaker: Breaker, clock: Clock) -> None:
    admit_probe(breaker, clock).record_success()
    assert state_of(breaker) is State.CLOSED
    fail(breaker, THRESHOLD - 1)
    assert state_of(breaker) is State.CLOSED


def test_the_probes_failure_opens_for_another_pause(breaker: Breaker, clock: Clock) -> None:
    admit_probe(breaker, clock).record_failure()
    assert state_of(breaker) is State.OPEN
    clock.now += PAUSE - 0.001
    assert breaker.admit() is None
    clock.now += 0.001
    assert breaker.admit() is not None


def test_a_cancelled_probe_is_replaced_at_once(breaker: Breaker, clock: Clock) -> None:
    admit_probe(breaker, clock).cancel()
    admit(breaker).record_success()
    assert state_of(breaker) is State.CLOSED


def test_a_probe_that_hangs_is_abandoned_after_another_pause(breaker: Breaker, clock: Clock) -> None:
    hanging = admit_probe(breaker, clock)
    clock.now += PAUSE - 0.001
    assert breaker.admit() is None
    clock.now += 0.001
    second = admit(breaker)
    assert breaker.admit() is None
    hanging.record_failure()
    assert state_of(breaker) is State.HALF_OPEN
    assert breaker.admit() is None
    second.record_success()
    assert state_of(breaker) is State.CLOSED


def test_an_abandoned_probe_does_not_affect_its_successor(breaker: Breaker, clock: Clock) -> None:
    hanging = admit_probe(breaker, clock)
    clock.now += PAUSE
    admit(breaker)
    hanging.cancel()
    assert breaker.admit() is None
    assert state_of(breaker) is State.HALF_OPEN


def test_late_failures_of_older_calls_do_not_open_a_closed_breaker(breaker: Breaker, clock: Clock) -> None:
    older = [admit(breaker) for _ in range(2 * THRESHOLD)]
    admit_probe(breaker, clock).record_success()
    for permit in older:
        permit.record_failure()
    assert state_of(breaker) is State.CLOSED
    assert breaker.snapshot()["failures"] == 0


def test_late_failures_of_older_calls_do_not_lengthen_the_pause(breaker: Breaker, clock: Clock) -> None:
    older = admit(breaker)
    fail(breaker)
    clock.now += PAUSE / 2
    older.record_failure()
    clock.now += PAUSE / 2
    assert breaker.admit() is not None


@pytest.mark.parametrize("result", ["record_success", "record_failure", "cancel"])
def test_late_results_of_older_calls_do_not_decide_a_probe(
    breaker: Breaker, clock: Clock, result: str
) -> None:
    older = admit(breaker)
    probe = admit_probe(breaker, clock)
    getattr(older, result)()
    assert state_of(breaker) is State.HALF_OPEN
    assert breaker.admit() is None
    probe.record_success()
    assert state_of(breaker) is State.CLOSED


def test_the_end_of_the_pause_admits_the_probe(breaker: Breaker) -> None:
    fail(breaker)
    breaker.end_pause()
    admit(breaker).record_success()
    assert state_of(breaker) is State.CLOSED


def test_the_end_of_the_pause_admits_no_second_probe(breaker: Breaker, clock: Clock) -> None:
    admit_probe(breaker, clock)
    breaker.end_pause()
    assert breaker.admit() is None


def test_snapshots(breaker: Breaker, clock: Clock) -> None:
    assert breaker.snapshot() == {"state": "closed", "failures": 0, "retry_in_ms": None}
    fail(breaker)
    clock.now += 0.25
    assert breaker.snapshot() == {"state": "open", "failures": THRESHOLD, "retry_in_ms": 750}
    clock.now += PAUSE
    assert breaker.snapshot() == {"state": "open", "failures": THRESHOLD, "retry_in_ms": 0}
    admit(breaker)
    assert breaker.snapshot() == {"state": "half_open", "failures": THRESHOLD, "retry_in_ms": None}


def test_observers_get_every_change_of_state(breaker: Breaker, clock: Clock) -> None:
    changes: list[State] = []
    breaker.on_state(changes.append)
    admit_probe(breaker, clock).record_failure()
    clock.now += PAUSE
    admit(breaker).record_success()
    assert changes == [State.OPEN, State.HALF_OPEN, State.OPEN, State.HALF_OPEN, State.CLOSED]


ACTIONS = st.lists(
    st.one_of(
        st.just(("admit", 0)),
        st.tuples(st.sampled_from(["record_success", "record_failure", "cancel"]), st.integers(0, 20)),
        st.tuples(st.just("wait"), st.integers(1, 12)),
        st.just(("end_pause", 0)),
    ),
    max_size=120,
)


@given(actions=ACTIONS)
def test_no_sequence_of_results_blocks_the_breaker(actions: list[tuple[str, int]]) -> None:
    clock = Clock()
    breaker = Breaker(threshold=2, pause=PAUSE, clock=clock)
    permits: list[Permit] = []
    probes_since_last_change = 0
    for action, number in actions:
        if action == "admit":
            before = breaker.state
            permit = breaker.admit()
            if permit is not None:
                permits.append(permit)
                if before is not State.CLOSED:
                    probes_since_last_change += 1
        elif action == "wait":
            clock.now += number / 10
            probes_since_last_change = 0
        elif action == "end_pause":
            breaker.end_pause()
        elif permits:
            getattr(permits[number % len(permits)], action)()
            probes_since_last_change = 0
        assert probes_since_last_change <= 1
    clock.now += PAUSE
    admit(breaker).record_success()
    assert state_of(breaker) is State.CLOSED
