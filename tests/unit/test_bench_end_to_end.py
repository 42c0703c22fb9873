"""The bench of the whole stack: a lag that grows is seen and laid at the right door."""

from dataclasses import asdict

import pytest

from deploy.bench.borne import LAGS, Try, highest, judged, lags, next_rate
from deploy.bench.end_to_end import Figures, Process
from deploy.bench.last_results import BEGINS, ENDS, LINES, with_table
from deploy.cli.bench_end_to_end import PROCESSES_HEAD, RATES_HEAD, process_lines, rate_lines
from deploy.stack.position_rules import Said
from schemas.errors import FatalError
from schemas.progress import Progress

LOOKS = range(30)


def test_a_steady_lag_is_borne_and_a_growing_one_is_not() -> None:
    """A lag of seconds that stays is borne; one that gains a tenth of a second each second is not, however small."""
    steady = [(float(at), {"rating": 1 + at % 2, "burn": 2.0, "patterns": 2.0, "sink": 3.0}) for at in LOOKS]
    assert judged(steady, per_sec=100, sent_per_sec=100).is_borne
    growing = [(float(at), {"rating": 1.0, "burn": 2.0, "patterns": 2.0, "sink": 0.1 * at}) for at in LOOKS]
    found = judged(growing, per_sec=100, sent_per_sec=100)
    assert (found.is_borne, found.limits, found.growth["sink"]) == (False, "sink", 0.1)


def test_who_waits_for_a_slow_stage_is_not_the_limit() -> None:
    """Burn and sink lag behind as rating does; that is rating's."""
    looks = [
        (float(at), {"rating": 0.5 * at, "burn": 0.5 * at + 1, "patterns": 0.5 * at, "sink": 0.55 * at + 2})
        for at in LOOKS
    ]
    assert judged(looks, per_sec=100, sent_per_sec=100).limits == "rating"


def test_a_load_that_could_not_be_sent_is_not_borne() -> None:
    """Below 95 of 100 events that were meant, nothing is said in favour of the stack."""
    steady = [(float(at), dict.fromkeys(LAGS, 1.0)) for at in LOOKS]
    assert judged(steady, per_sec=100, sent_per_sec=95).is_borne
    assert not judged(steady, per_sec=100, sent_per_sec=94.9).is_borne
    with pytest.raises(FatalError, match="--seconds 60"):
        judged(steady[:2], per_sec=100, sent_per_sec=100)


@pytest.mark.parametrize("begin_per_sec", [1.0, 999.0, 1000.0, 1001.0, 40_000.0])
def test_a_search_ends_at_the_highest_rate_that_is_borne(begin_per_sec: float) -> None:
    """From wherever it begins: a rate is borne, and the next, a quarter above it, is not."""
    tries: list[Try] = []
    per_sec: float | None = begin_per_sec
    while per_sec is not None:
        grows = 0.0 if per_sec <= 1000 else 0.5
        looks = [(float(at), dict.fromkeys(LAGS, grows * at)) for at in LOOKS]
        tries.append(judged(looks, per_sec=per_sec, sent_per_sec=per_sec))
        per_sec = next_rate(tries)
    best = highest(tries)
    assert best is not None
    assert 800 < best.sent_per_sec <= 1000


def test_the_lag_of_a_stage_is_that_of_its_slowest_partition() -> None:
    """What other stages say on other topics does not count."""
    said = {
        (stage, topic, number): Said(
            Progress(stage=stage, topic=topic, partition=number, next_offset=1, policy_offset=-1, log_time_us=at_us), 0
        )
        for stage, topic, number, at_us in (
            ("rating", "usage.events", 0, 9_000_000), ("rating", "usage.events", 1, 7_000_000),
            ("rating", "usage.charges", 0, 0), ("sink", "internal.rated", 0, 9_500_000),
        )
    }  # fmt: skip
    assert lags(said, now_us=10_000_000) == {"rating": 3.0, "burn": 0.0, "patterns": 0.0, "sink": 0.5}


def test_tables_have_a_line_per_rate_and_per_process() -> None:
    """Each as wide as its head."""
    looks = [(float(at), dict.fromkeys(LAGS, 1.0)) for at in LOOKS]
    process = Process(name="burn", cpu_us=4.0, idle_mib=90, most_mib=120, after_mib=110)
    found = Figures(
        burst_per_sec=10, highest_per_sec=10.0, limits="sink",
        tries=[judged(looks, per_sec=10, sent_per_sec=10)], processes=[process],
    )  # fmt: skip
    assert [len(row) for row in rate_lines(found)] == [len(RATES_HEAD)]
    assert process_lines(found) == [("burn", "4.0", "90", "120", "110")]
    assert len(PROCESSES_HEAD) == 5
    assert LINES["end-to-end"](asdict(found)) == "10 events/s are borne; sink limits"


def test_the_readme_takes_the_last_results_between_its_marks() -> None:
    """What stands around them stays; a document without the marks is refused, not appended to."""
    text = f"before\n{BEGINS}old\n{ENDS}after\n"
    assert with_table(text, "new\n") == f"before\n{BEGINS}new\n{ENDS}after\n"
    with pytest.raises(ValueError, match="no table goes there"):
        with_table("before\n", "new\n")
