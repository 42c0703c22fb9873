"""Money is exact: split and join are inverse, a leaf is rounded once, columns equal Decimals."""

from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.money import (
    MAX_EVENT_COST_USD,
    PICO_PER_MICRO,
    PICO_PER_USD,
    join_pico_usd,
    leaf_cost_pico_usd,
    pico_usd,
    plain,
    split_pico_usd,
    usd,
)
from schemas.usage import MAX_TOKENS
from streams.rating.costs import cost_of, rate_table
from streams.rating.prices import PARTS

amounts = st.integers(-(10**23), 10**23)  # up to 1e11 USD, both signs
prices = st.decimals(0, 1000, places=18) | st.decimals(0, 1000, places=2) | st.decimals(0, 1, places=9)
tokens = st.integers(0, MAX_TOKENS) | st.integers(0, 10**6)
LEAF = len(PARTS) - 1


@given(amounts)
def test_split_and_join_are_inverse(pico: int) -> None:
    """An amount survives the two columns, with a remainder that is never negative."""
    micro, remainder = split_pico_usd(pico)
    assert pico == join_pico_usd(micro, remainder)
    assert 0 <= remainder < PICO_PER_MICRO


@given(st.lists(amounts, max_size=20))
def test_sums_of_pairs_are_sums_of_amounts(picos: list[int]) -> None:
    """Micro-USD and remainders may be summed apart."""
    pairs = [split_pico_usd(pico) for pico in picos]
    assert sum(picos) == join_pico_usd(sum(micro for micro, _ in pairs), sum(rest for _, rest in pairs))


@given(amounts)
def test_dollars_and_pico_dollars_are_inverse(pico: int) -> None:
    """Decimal USD hold every pico-USD; the text in our JSON means the same amount."""
    assert pico == pico_usd(usd(pico))
    assert usd(pico) == Decimal(plain(usd(pico)))


@given(tokens, prices)
def test_a_leaf_is_rounded_once_half_to_even(count: int, price: Decimal) -> None:
    """The cost of a leaf is the nearest pico-USD of the exact product, the even one of two."""
    with localcontext(prec=100):
        exact = Decimal(count) * price * PICO_PER_MICRO
        assert int(exact.to_integral_value(ROUND_HALF_EVEN)) == leaf_cost_pico_usd(count, price)


@given(st.lists(st.tuples(tokens, prices), min_size=1, max_size=8))
def test_costs_in_columns_equal_costs_in_decimals(leaves: list[tuple[int, Decimal]]) -> None:
    """The vectorised cost is the Decimal one for every price and count, up to where an event is refused."""
    counts = np.zeros((len(leaves), len(PARTS)), np.int64)
    counts[:, 0] = [count for count, _ in leaves]
    table = rate_table([(price, *(None,) * LEAF) for _, price in leaves], len(PARTS))
    costs = cost_of(counts, np.arange(len(leaves)), table)
    expected = [leaf_cost_pico_usd(count, price) for count, price in leaves]
    too_large = [pico >= MAX_EVENT_COST_USD * PICO_PER_USD for pico in expected]
    assert too_large == costs.too_large.tolist()
    fits = [row for row, refused in enumerate(too_large) if not refused]
    assert [expected[row] for row in fits] == costs.total[fits].tolist()


@given(tokens, prices, st.integers(0, 5))
def test_an_event_costs_the_sum_of_its_leaves(count: int, price: Decimal, calls: int) -> None:
    """The total is the sum of the parts, calls included, which are priced per thousand."""
    counts = np.array([[count, 7, *(0,) * (LEAF - 2), calls]], np.int64)
    table = rate_table([(price, price, *(None,) * (LEAF - 2), Decimal("0.5"))], len(PARTS))
    costs = cost_of(counts, np.zeros(1, np.int64), table)
    if not costs.too_large[0]:
        expected = leaf_cost_pico_usd(count, price) + leaf_cost_pico_usd(7, price) + calls * 500_000_000
        assert expected == costs.total[0] == costs.parts.sum()


def test_halves_go_to_the_even_pico_dollar() -> None:
    """Half a pico-USD rounds to the even neighbour, in columns as in Decimals."""
    prices_usd_per_mtok = [Decimal("0.0000005"), Decimal("0.0000015"), Decimal("0.0000025"), Decimal("0.0000005000001")]
    table = rate_table([(price, *(None,) * LEAF) for price in prices_usd_per_mtok], len(PARTS))
    counts = np.array([[1] + [0] * LEAF] * 4)
    assert cost_of(counts, np.arange(4), table).total.tolist() == [0, 2, 2, 1]
    assert [leaf_cost_pico_usd(1, price) for price in prices_usd_per_mtok] == [0, 2, 2, 1]


def test_one_million_dollars_is_the_first_amount_refused() -> None:
    """999,999.999999999999 USD is a cost, 1,000,000 USD is too large."""
    table = rate_table([(Decimal(1), *(None,) * LEAF)], len(PARTS))
    counts = np.zeros((2, len(PARTS)), np.int64)
    counts[:, 0] = [10**12 - 1, 10**12]
    costs = cost_of(counts, np.zeros(2, np.int64), table)
    assert costs.too_large.tolist() == [False, True]
    assert costs.total[0] == 10**18 - 10**6
