"""The bench of rebalances: a gap is how long a partition did not get on, whoever looks, and however often."""

from dataclasses import asdict

from deploy.bench.last_results import LINES
from deploy.bench.rebalance import Gaps, Phase
from deploy.cli.bench_rebalance import HEAD, line_of


def test_a_gap_is_the_longest_time_without_getting_on() -> None:
    """Looks that find nothing new, or nothing of a partition, end no gap; one that is open counts up to now."""
    gaps = Gaps()
    gaps.seen({0: 10, 1: 5}, 100.0)
    gaps.seen({0: 20, 1: 5}, 101.0)
    gaps.seen({0: 20}, 103.0)
    gaps.seen({0: 30, 1: 6}, 104.5)
    assert gaps.taken(105.0) == {0: 3.5, 1: 4.5}


def test_a_gap_belongs_whole_to_the_phase_in_which_it_ends() -> None:
    """A partition that waits since before a phase waited that long; one that got on begins anew."""
    gaps = Gaps()
    gaps.seen({0: 1, 1: 1}, 0.0)
    assert gaps.taken(2.0) == {0: 2.0, 1: 2.0}
    gaps.seen({0: 2}, 3.0)
    assert gaps.taken(4.0) == {0: 3.0, 1: 4.0}


def test_a_phase_is_a_line() -> None:
    """As wide as the head; the README's line names the longest gap of each phase."""
    found = Phase("it leaves for good", 20.0, {0: 0.4, 1: 2.25, 2: 0.5, 3: 0.1})
    assert line_of(found) == ("it leaves for good", "20", "2.25 s", "0.40 s", "2.25 s", "0.50 s", "0.10 s")
    assert len(line_of(found)) == len(HEAD)
    told = {"phases": [{**asdict(found), "most_sec": found.most_sec()}]}
    assert LINES["rebalance"](told) == "a partition waits at most: 2.2 s (it leaves for good)"
