"""The bridge that burn says with an alert: three terms that are the difference, whatever the sums."""

from hypothesis import given
from hypothesis import strategies as st

from streams.burn.day_bridge import Used, terms_of
from streams.burn.limits import Unit

USED = st.builds(Used, st.integers(-3, 10**6), st.integers(-(10**3), 10**10), st.integers(-(10**9), 10**20))
UNITS = st.sampled_from(["usd", "tokens", "requests"])
CALLS, TOKENS, PICO = 7, 700, 7_000_003


@given(USED, USED, UNITS)
def test_terms_are_the_difference(before: Used, after: Used, unit: Unit) -> None:
    """To the last pico-USD, token or request; refunds and nothing at all included."""
    assert sum(terms_of(before, after, unit).values()) == after.amount(unit) - before.amount(unit)


@given(st.integers(1, 1000))
def test_what_changes_in_one_way_is_one_term(times: int) -> None:
    """More of the same calls; longer calls; dearer tokens."""
    before = Used(CALLS, TOKENS, PICO)
    more = {
        "calls": Used(CALLS * times, TOKENS * times, PICO * times),
        "tokens_per_call": Used(CALLS, TOKENS * times, PICO * times),
        "cost_per_token": Used(CALLS, TOKENS, PICO * times),
    }
    for name, after in more.items():
        found = terms_of(before, after, "usd")
        assert {term: pico for term, pico in found.items() if pico} == ({name: PICO * (times - 1)} if times > 1 else {})


def test_where_there_was_nothing_all_is_calls() -> None:
    """And where nothing is left."""
    nothing, some = Used(0, 0, 0), Used(CALLS, TOKENS, PICO)
    assert terms_of(nothing, some, "usd") == {"calls": PICO, "tokens_per_call": 0, "cost_per_token": 0}
    assert terms_of(some, nothing, "tokens") == {"calls": -TOKENS, "tokens_per_call": 0, "cost_per_token": 0}
