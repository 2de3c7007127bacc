"""Windows: a sender is stalled if its window was exhausted and data follows."""

from loom.proxy.wire.flow_control import Window


def test_a_stall_lasts_from_exhaustion_to_the_grant_and_counts_once_data_follows() -> None:
    window = Window(10)
    window.consume(10, 1_000)
    window.grant(5, 4_000)
    assert (window.available, window.stalled_ns, window.pending_ns) == (5, 0, 3_000)
    window.consume(1, 5_000)
    assert (window.available, window.stalled_ns, window.pending_ns) == (4, 3_000, 0)


def test_a_grant_that_leaves_the_window_exhausted_does_not_end_the_stall() -> None:
    window = Window(10)
    window.consume(12, 1_000)
    window.grant(2, 2_000)
    assert window.pending_ns == 0
    window.grant(1, 3_000)
    assert window.pending_ns == 2_000


def test_a_window_that_is_not_exhausted_never_stalls() -> None:
    window = Window(10)
    window.consume(9, 1_000)
    window.grant(9, 2_000)
    window.consume(1, 3_000)
    assert (window.available, window.stalled_ns, window.pending_ns) == (9, 0, 0)
