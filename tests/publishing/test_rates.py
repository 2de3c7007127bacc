from loom.publishing import Rates

MS = 1_000_000


def test_a_second_counts_what_ended_in_it() -> None:
    rates = Rates()
    rates.ended([duration * MS for duration in range(1, 91)], errors=0)
    rates.ended([duration * MS for duration in range(91, 101)], errors=10)
    second = rates.roll(5, in_flight=3)
    assert (second.calls, second.errors, second.in_flight) == (100, 10, 3)
    assert (second.p50_us, second.p95_us) == (51_000, 96_000)
    empty = rates.roll(6, in_flight=0)
    assert (empty.calls, empty.p50_us) == (0, None)
    assert (rates.calls_total, rates.errors_total) == (100, 10)
    assert [entry.at_us for entry in rates.series] == [5, 6]
