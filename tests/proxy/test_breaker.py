"""The circuit breaker, with a clock of its own and no I/O."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.proxy.breaker import Breaker, Permit, State

THRESHOLD = 3
PAUSE = 1.0


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


def admitted(breaker: Breaker) -> Permit:
    permit = breaker.admit()
    assert permit is not None
    return permit


def fail(breaker: Breaker, times: int = THRESHOLD) -> None:
    for permit in [admitted(breaker) for _ in range(times)]:
        permit.record_failure()


def probing(breaker: Breaker, clock: Clock) -> Permit:
    """The breaker opened, its pause gone, its probe under way."""
    fail(breaker)
    clock.now += PAUSE
    return admitted(breaker)


def test_closed_admits_everything(breaker: Breaker) -> None:
    for _ in range(10):
        admitted(breaker).record_success()
    assert breaker.state is State.CLOSED


def test_opens_after_that_many_failures_in_a_row(breaker: Breaker) -> None:
    fail(breaker, THRESHOLD - 1)
    assert breaker.state is State.CLOSED
    fail(breaker, 1)
    assert breaker.state is State.OPEN
    assert breaker.admit() is None


def test_a_call_that_gets_through_starts_the_count_anew(breaker: Breaker) -> None:
    fail(breaker, THRESHOLD - 1)
    admitted(breaker).record_success()
    fail(breaker, THRESHOLD - 1)
    assert breaker.state is State.CLOSED


def test_a_call_that_ends_undecided_counts_neither_way(breaker: Breaker) -> None:
    fail(breaker, THRESHOLD - 1)
    admitted(breaker).cancel()
    assert breaker.state is State.CLOSED
    fail(breaker, 1)
    assert breaker.state is State.OPEN


def test_one_call_counts_once(breaker: Breaker) -> None:
    permit = admitted(breaker)
    for _ in range(THRESHOLD):
        permit.record_failure()
    assert breaker.state is State.CLOSED


def test_sheds_until_the_pause_is_over(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += PAUSE - 0.001
    assert breaker.admit() is None
    clock.now += 0.001
    assert breaker.admit() is not None


def test_lets_exactly_one_probe_through(breaker: Breaker, clock: Clock) -> None:
    probing(breaker, clock)
    assert breaker.state is State.HALF_OPEN
    assert [breaker.admit() for _ in range(100)] == [None] * 100


def test_the_probes_success_closes(breaker: Breaker, clock: Clock) -> None:
    probing(breaker, clock).record_success()
    assert breaker.state is State.CLOSED
    fail(breaker, THRESHOLD - 1)
    assert breaker.state is State.CLOSED


def test_the_probes_failure_opens_for_another_pause(breaker: Breaker, clock: Clock) -> None:
    probing(breaker, clock).record_failure()
    assert breaker.state is State.OPEN
    clock.now += PAUSE - 0.001
    assert breaker.admit() is None
    clock.now += 0.001
    assert breaker.admit() is not None


def test_a_cancelled_probe_makes_room_for_the_next_at_once(breaker: Breaker, clock: Clock) -> None:
    probing(breaker, clock).cancel()
    admitted(breaker).record_success()
    assert breaker.state is State.CLOSED


def test_a_probe_that_hangs_is_given_up_after_another_pause(breaker: Breaker, clock: Clock) -> None:
    hanging = probing(breaker, clock)
    clock.now += PAUSE - 0.001
    assert breaker.admit() is None
    clock.now += 0.001
    second = admitted(breaker)
    assert breaker.admit() is None
    hanging.record_failure()
    assert breaker.state is State.HALF_OPEN
    assert breaker.admit() is None
    second.record_success()
    assert breaker.state is State.CLOSED


def test_a_probe_that_was_given_up_neither_opens_nor_frees_the_next(breaker: Breaker, clock: Clock) -> None:
    hanging = probing(breaker, clock)
    clock.now += PAUSE
    admitted(breaker)
    hanging.cancel()
    assert breaker.admit() is None
    assert breaker.state is State.HALF_OPEN


def test_late_failures_of_older_calls_do_not_open_a_closed_breaker(breaker: Breaker, clock: Clock) -> None:
    older = [admitted(breaker) for _ in range(2 * THRESHOLD)]
    probing(breaker, clock).record_success()
    for permit in older:
        permit.record_failure()
    assert breaker.state is State.CLOSED
    assert breaker.snapshot()["failures"] == 0


def test_late_failures_of_older_calls_do_not_lengthen_the_pause(breaker: Breaker, clock: Clock) -> None:
    older = admitted(breaker)
    fail(breaker)
    clock.now += PAUSE / 2
    older.record_failure()
    clock.now += PAUSE / 2
    assert breaker.admit() is not None


@pytest.mark.parametrize("result", ["record_success", "record_failure", "cancel"])
def test_late_results_of_older_calls_do_not_decide_a_probe(
    breaker: Breaker, clock: Clock, result: str
) -> None:
    older = admitted(breaker)
    probe = probing(breaker, clock)
    getattr(older, result)()
    assert breaker.state is State.HALF_OPEN
    assert breaker.admit() is None
    probe.record_success()
    assert breaker.state is State.CLOSED


def test_a_new_connection_lets_the_probe_go_at_once(breaker: Breaker) -> None:
    fail(breaker)
    breaker.end_pause()
    admitted(breaker).record_success()
    assert breaker.state is State.CLOSED


def test_a_new_connection_does_not_let_a_second_probe_through(breaker: Breaker, clock: Clock) -> None:
    probing(breaker, clock)
    breaker.end_pause()
    assert breaker.admit() is None


def test_the_snapshot_is_what_the_api_shows(breaker: Breaker, clock: Clock) -> None:
    assert breaker.snapshot() == {"state": "closed", "failures": 0, "retry_in_ms": None}
    fail(breaker)
    clock.now += 0.25
    assert breaker.snapshot() == {"state": "open", "failures": THRESHOLD, "retry_in_ms": 750}
    clock.now += PAUSE
    assert breaker.snapshot() == {"state": "open", "failures": THRESHOLD, "retry_in_ms": 0}
    admitted(breaker)
    assert breaker.snapshot() == {"state": "half_open", "failures": THRESHOLD, "retry_in_ms": None}


def test_tells_of_each_change_of_state(breaker: Breaker, clock: Clock) -> None:
    changes: list[State] = []
    breaker.on_state(changes.append)
    probing(breaker, clock).record_failure()
    clock.now += PAUSE
    admitted(breaker).record_success()
    assert changes == [State.OPEN, State.HALF_OPEN, State.OPEN, State.HALF_OPEN, State.CLOSED]


ACTIONS = st.lists(
    st.one_of(
        st.just(("admit", 0)),
        st.tuples(st.sampled_from(["record_success", "record_failure", "cancel"]), st.integers(0, 20)),
        st.tuples(st.just("wait"), st.integers(1, 12)),
        st.just(("connected", 0)),
    ),
    max_size=120,
)


@given(actions=ACTIONS)
def test_whatever_happens_it_is_never_wedged(actions: list[tuple[str, int]]) -> None:
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
        elif action == "connected":
            breaker.end_pause()
        elif permits:
            getattr(permits[number % len(permits)], action)()
            probes_since_last_change = 0
        assert probes_since_last_change <= 1
    clock.now += PAUSE
    admitted(breaker).record_success()
    assert breaker.state is State.CLOSED
