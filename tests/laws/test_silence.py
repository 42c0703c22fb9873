"""When a reader that hears nothing opens a new connection."""

from hypothesis import given
from hypothesis import strategies as st

from sinks.silence import LONGEST_TIMES, LOOK_SEC, Silence, looked

PLACES = st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 2))
OFFSETS = st.integers(0, 3)
STANDS = st.dictionaries(PLACES, OFFSETS, min_size=1)
SILENCES = st.builds(
    Silence, looked_sec=st.just(0.0), waiting=st.dictionaries(PLACES, OFFSETS), in_vain=st.integers(0, 70)
)


@given(before=SILENCES, stands=STANDS, ends=st.dictionaries(PLACES, OFFSETS))
def test_a_new_connection_needs_a_partition_that_stood_still_before_something_readable_at_two_looks(
    before: Silence, stands: dict[tuple[str, int], int], ends: dict[tuple[str, int], int]
) -> None:
    """Neither one look, nor a reader that moved, nor one at the end, nor an end that nobody knows is reason enough."""
    after, stuck = looked(before, stands=stands, ends=ends, now_sec=7.0)
    reasons = [
        place
        for place, at in stands.items()
        if place in ends and ends[place] > at and place in before.waiting and before.waiting[place] == at
    ]
    assert stuck == bool(reasons)
    assert after.looked_sec == 7.0


@given(before=SILENCES, stands=STANDS)
def test_who_stays_stuck_looks_more_and_more_seldom_and_who_reads_on_as_at_first(
    before: Silence, stands: dict[tuple[str, int], int]
) -> None:
    """Each new connection in vain doubles the wait up to a bound; one that brought something ends that."""
    now_sec, waits_sec = 0.0, []
    silence = Silence(looked_sec=0.0)
    for _ in range(8):
        silence, _ = looked(silence, stands=stands, ends=dict.fromkeys(stands, 9), now_sec=now_sec)
        wait_sec = next(
            sec
            for sec in (LOOK_SEC / 2 * 2**n for n in range(9))
            if silence.is_due(now_sec=now_sec + sec, look_sec=LOOK_SEC)
        )
        waits_sec.append(wait_sec)
        now_sec += wait_sec
    assert waits_sec == [LOOK_SEC / 2 * min(2**n, LONGEST_TIMES) for n in range(8)]
    moved, stuck = looked(before, stands={place: at + 4 for place, at in stands.items()}, ends={}, now_sec=now_sec)
    assert (stuck, moved.in_vain) == (False, 0)
    assert not moved.is_due(now_sec=now_sec + LOOK_SEC * 0.99, look_sec=LOOK_SEC)
    assert moved.is_due(now_sec=now_sec + LOOK_SEC, look_sec=LOOK_SEC)
