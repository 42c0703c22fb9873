"""The bridge of a change of spend: exact whatever the periods are, and one change is one term."""

import os
from collections.abc import Callable
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.usage import LEAVES
from streams.bridge.bridge import DRIVERS, Bridge, Cell, Rates, Side, Sums, bridge, rounded
from streams.bridge.parts import CACHE_PARTS, CALL

EXAMPLES = int(os.environ.get("BURNLINE_LAW_EXAMPLES", "30"))
look = settings(max_examples=EXAMPLES, deadline=None)
PARTS = (*LEAVES, CALL, "web_searches")
UNCACHED, READ, REASONING, TEXT = (
    "input_uncached_tokens", "input_cache_read_tokens", "output_reasoning_tokens", "output_text_tokens",
)  # fmt: skip

cells = st.builds(Cell, st.booleans(), st.sampled_from([("a",), ("b",)]), st.just(value=False), st.sampled_from([0, 1]))
"""Few, so that most are in both periods."""


@st.composite
def any_sums(draw: st.DrawFn) -> Sums:
    """Calls of any kind: without calls, without tokens, with refunds; their cost is a whole number."""
    names = st.sampled_from([UNCACHED, READ, REASONING, CALL])
    counts = draw(st.dictionaries(names, st.integers(0, 10**9).map(Fraction), min_size=1))
    costs = draw(st.dictionaries(names, st.fractions(-(10**12), 10**15, max_denominator=10**6), min_size=1))
    whole = draw(st.integers(-(10**15), 10**15))
    return Sums(draw(st.integers(0, 5)), counts, costs, whole - sum(costs.values(), Fraction(0)))


@st.composite
def priced_side(draw: st.DrawFn) -> dict[Cell, Sums]:
    """Calls that cost their tokens at the rates of their product; a first attempt of each product among them."""
    side: dict[Cell, Sums] = {}
    for product in draw(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, unique=True)):
        for retry in draw(st.sampled_from([(False,), (False, True)])):
            calls = draw(st.integers(1, 50))
            used = {UNCACHED, READ, TEXT, CALL, *draw(st.sets(st.sampled_from(PARTS), max_size=3))}
            counts = {part: Fraction(draw(st.integers(1, 10**6))) for part in sorted(used)} | {CALL: Fraction(calls)}
            rates = {part: draw(st.integers(1, 10**7)) for part in counts}
            costs = {part: count * rates[part] for part, count in counts.items()}
            side[Cell(retry, (product,), from_gateway_cache=False, step=0)] = Sums(calls, counts, costs)
    return side


def total(side: Side) -> Fraction:
    """What a side cost."""
    return sum((sums.cost_pico_usd for sums in side.values()), Fraction(0))


def backwards(side: Side) -> dict[Cell, Sums]:
    """The side in another order."""
    return {cell: side[cell] for cell in list(side)[::-1]}


def changed(side: Side, change: Callable[[str], Fraction], *, priced: bool = True) -> dict[Cell, Sums]:
    """The side with the count of each part (or, not `priced` by it, only its cost) times what `change` says."""
    found = {}
    for cell, sums in side.items():
        counts = {part: count * (change(part) if priced else 1) for part, count in sums.counts.items()}
        costs = {part: cost * change(part) for part, cost in sums.costs_pico_usd.items()}
        found[cell] = Sums(sums.calls, counts, costs, sums.rest_pico_usd)
    return found


def times(sums: Sums, factor: int) -> Sums:
    """So many times as many calls of the same kind."""
    return Sums(
        sums.calls * factor,
        {part: count * factor for part, count in sums.counts.items()},
        {part: cost * factor for part, cost in sums.costs_pico_usd.items()},
        sums.rest_pico_usd * factor,
    )


def only(found: Bridge, *drivers: str) -> bool:
    """Whether the terms are the difference, and none but these is anything."""
    moved = {driver for driver, term in found.terms_pico_usd.items() if term}
    return moved <= set(drivers) and sum(found.terms_pico_usd.values()) == found.difference_pico_usd


@look
@given(
    st.dictionaries(cells, any_sums(), max_size=6),
    st.dictionaries(cells, any_sums(), max_size=6),
    st.dictionaries(st.tuples(cells, st.sampled_from(PARTS)), st.fractions(0, 10**7), max_size=6),
    st.tuples(st.integers(-(10**15), 10**15), st.integers(-(10**15), 10**15)),
)
def test_terms_add_up_to_the_difference(before: Side, after: Side, rates: Rates, charges: tuple[int, int]) -> None:
    """To the last pico-USD: empty periods, new products, nothing but retries, no calls, refunds, unknown prices."""
    found = bridge(before, after, rates=rates, charges_pico_usd=charges)
    assert tuple(found.terms_pico_usd) == DRIVERS
    assert found.before_pico_usd == total(before) + charges[0]
    assert found.after_pico_usd == total(after) + charges[1]
    assert sum(found.terms_pico_usd.values()) == found.difference_pico_usd
    again = bridge(backwards(before), backwards(after), rates=rates, charges_pico_usd=charges)
    assert again == found


@look
@given(st.dictionaries(st.sampled_from(DRIVERS), st.fractions(-(10**6), 10**6)))
def test_rounding_moves_no_term_by_a_whole(terms: dict[str, Fraction]) -> None:
    """Each term is within one pico-USD of its exact value; a whole one is exactly itself."""
    spare = sum(terms.values(), Fraction(0)) % 1
    terms = terms | {"other": terms.get("other", Fraction(0)) - spare}
    found = rounded(terms, int(sum(terms.values(), Fraction(0))))
    assert all(abs(found[driver] - term) < 1 for driver, term in terms.items())
    assert sum(found.values()) == sum(terms.values())
    assert all(found[driver] == term for driver, term in terms.items() if term.denominator == 1)


@look
@given(priced_side(), st.integers(2, 5))
def test_more_of_the_same_is_volume(side: dict[Cell, Sums], factor: int) -> None:
    """Twice the calls, retries among them, alike in all else."""
    assert only(bridge(side, {cell: times(sums, factor) for cell, sums in side.items()}), "volume")


@look
@given(priced_side())
def test_a_baseline_without_calls_makes_all_volume(side: dict[Cell, Sums]) -> None:
    """And so does an end of all calls; nothing is without a term."""
    assert only(bridge({}, side), "volume")
    assert only(bridge(side, {}), "volume")
    assert only(bridge(side, side))


@look
@given(priced_side(), st.dictionaries(st.sampled_from(PARTS), st.integers(0, 5)))
def test_other_rates_are_price(side: dict[Cell, Sums], factors: dict[str, int]) -> None:
    """The same tokens at other rates, each its own."""
    assert only(bridge(side, changed(side, lambda part: Fraction(factors.get(part, 1)), priced=False)), "price")


@look
@given(priced_side(), st.integers(0, 5))
def test_each_kind_of_tokens_is_its_own_term(side: dict[Cell, Sums], factor: int) -> None:
    """Longer inputs, longer outputs, more reasoning, more searches per call."""
    inputs = {part for part in LEAVES if part.startswith("input")}
    outputs = {part for part in LEAVES if part.startswith("output") and part != REASONING}
    for driver, parts in (
        ("input_length", inputs),
        ("output_length", outputs),
        ("reasoning", {REASONING}),
        ("beside_tokens", {"web_searches"}),
    ):

        def change(part: str, parts: set[str] = parts) -> Fraction:
            return Fraction(factor if part in parts else 1)

        assert only(bridge(side, changed(side, change)), driver)
        assert only(bridge(changed(side, change), side), driver)


@look
@given(priced_side(), st.integers(1, 100))
def test_what_a_cache_holds_is_cache(side: dict[Cell, Sums], percent: int) -> None:
    """Tokens that come from the cache now, of inputs as long as before; and calls that the gateway answers itself."""
    hits = {}
    for cell, sums in side.items():
        moved = sums.counts[UNCACHED] * percent / 100
        counts = sums.counts | {UNCACHED: sums.counts[UNCACHED] - moved, READ: sums.counts[READ] + moved}
        rates = {part: sums.costs_pico_usd[part] / sums.counts[part] for part in counts}
        costs = {part: count * rates[part] for part, count in counts.items()}
        whole = sum(costs.values(), Fraction(0))
        hits[cell] = Sums(sums.calls, counts, costs, round(whole) - whole)  # the pico-USD of its rounding is `other`
    found = bridge(side, hits)
    assert only(found, "cache", "other")
    assert abs(found.terms_pico_usd["other"]) <= len(side)
    answered = {cell: times(sums, percent) for cell, sums in side.items()} | {
        cell._replace(from_gateway_cache=True): Sums(sums.calls, sums.counts, {}) for cell, sums in side.items()
    }
    assert only(bridge({cell: times(sums, percent + 1) for cell, sums in side.items()}, answered), "cache")


@look
@given(priced_side(), st.dictionaries(st.sampled_from(PARTS), st.integers(0, 5)))
def test_a_switch_of_model_is_model_mix(side: dict[Cell, Sums], factors: dict[str, int]) -> None:
    """One product of several gives way to a new one with other rates: known to the baseline, or to nobody then."""
    dearer = changed(side, lambda part: Fraction(factors.get(part, 1)), priced=False)
    gone = min(cell.product for cell in side)
    new = {cell._replace(product=("new",)): sums for cell, sums in dearer.items() if cell.product == gone}
    after = {cell: sums for cell, sums in side.items() if cell.product != gone} | new
    rates = {
        (cell, part): sums.costs_pico_usd[part] / sums.counts[part]
        for cell, sums in after.items()
        for part in sums.counts
    }
    assert only(bridge(side, after, rates=rates), "model_mix")
    assert only(bridge(side, after), "model_mix")
    halved = {key: rate / 2 for key, rate in rates.items()}
    both = bridge(side, after, rates=halved).terms_pico_usd
    assert abs(2 * both["price"] - total(new)) <= 2, "the new product costs twice what it would have cost then"


@look
@given(priced_side(), st.integers(2, 5))
def test_a_long_context_that_costs_more_is_input_length(side: dict[Cell, Sums], factor: int) -> None:
    """Inputs that pass the step of a price cost more per token of all kinds: because they are longer."""
    longer = changed(side, lambda part: Fraction(factor if part in CACHE_PARTS else 1))
    dearer = changed(longer, lambda _part: Fraction(2), priced=False)
    assert only(bridge(side, {cell._replace(step=1): sums for cell, sums in dearer.items()}), "input_length")


@look
@given(priced_side(), st.integers(2, 5), st.booleans())
def test_more_attempts_are_retries(side: dict[Cell, Sums], factor: int, known: bool) -> None:  # noqa: FBT001  drawn
    """More attempts of the same kind for as many first ones, also where the baseline had none."""
    firsts = {cell: sums for cell, sums in side.items() if not cell.is_retry}
    again = {cell._replace(is_retry=True): times(sums, 2) for cell, sums in firsts.items()}
    before = firsts | again if known else firsts
    after = firsts | {cell: times(sums, factor) for cell, sums in again.items()}
    assert only(bridge(before, after), "retries")


@look
@given(priced_side(), st.integers(2, 5), st.integers(2, 5))
def test_two_changes_are_two_terms(side: dict[Cell, Sums], factor: int, dearer: int) -> None:
    """More calls at other rates: volume at the rates of before, price for the calls of now."""
    after = {
        cell: times(sums, factor) for cell, sums in changed(side, lambda _: Fraction(dearer), priced=False).items()
    }
    found = bridge(side, after)
    assert only(found, "volume", "price")
    assert found.terms_pico_usd["volume"] == (factor - 1) * total(side)
    assert found.terms_pico_usd["price"] == factor * (dearer - 1) * total(side)


@look
@given(priced_side(), priced_side())
def test_where_all_calls_of_a_period_are_retries_they_are_the_calls(
    before: dict[Cell, Sums], after: dict[Cell, Sums]
) -> None:
    """Nothing is left to be an attempt again; the terms add up."""
    retries = {cell: sums for cell, sums in before.items() if cell.is_retry} or {
        cell._replace(is_retry=True): sums for cell, sums in before.items()
    }
    for found in (bridge(retries, after), bridge(after, retries)):
        assert found.terms_pico_usd["retries"] == 0
        assert sum(found.terms_pico_usd.values()) == found.difference_pico_usd


def test_amounts_beside_usage_are_charges() -> None:
    """A refund is a term of its own, and moves none of the others."""
    assert only(bridge({}, {}, charges_pico_usd=(10**12, -5)), "charges")
