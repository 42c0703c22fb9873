"""However rows are grouped, their sums are the ledger's, to the last pico-USD and the last token, up to 10**11 USD.

More cases: `BURNLINE_LAW_EXAMPLES=100000 pytest tests/laws/test_money_sums.py`.
"""

import os
from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.errors import InvalidMessage
from schemas.internal import MONEY_PAIRS
from schemas.money import MAX_EVENT_COST_USD, PICO_PER_USD, join_pico_usd, pico_usd, split_pico_usd
from schemas.policies import Budget
from schemas.prices import PriceCeiling, PriceOverride
from schemas.usage import INPUT_LEAVES, MAX_TOKENS, OUTPUT_LEAVES, UsageData
from schemas.usage_codec import decode
from streams.rating.costs import split
from streams.rating.tokens import complete_tokens
from tests.laws.rating_events import deltas_of, event, new_lane, raw, rows_of, small, step, usage_events

EXAMPLES = int(os.environ.get("BURNLINE_LAW_EXAMPLES", "40"))
LIMIT_PICO_USD = 10**11 * PICO_PER_USD
event_costs = st.integers(0, MAX_EVENT_COST_USD * PICO_PER_USD - 1)
rows_of_a_ledger = st.lists(
    st.tuples(event_costs | st.sampled_from([1, 999_999, 10**6]), st.integers(1, 10**5), st.sampled_from([1, 1, 1, -1]),
              st.integers(0, 3), st.integers(0, 2)),
    max_size=12,
)  # fmt: skip
"""(cost, how many such rows, sign, group, batch): up to 10**11 USD each."""


@settings(max_examples=EXAMPLES, deadline=None)
@given(rows_of_a_ledger)
def test_sums_over_any_grouping_are_those_of_the_ledger(rows: list[tuple[int, int, int, int, int]]) -> None:
    """Split into two int64 columns, summed per group and batch, merged: the groups add up to the ledger exactly."""
    ledger = sum(cost * many * sign for cost, many, sign, _, _ in rows)
    pairs: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
    for cost, many, sign, group, batch in rows:
        micro, remainder = (int(part[0]) for part in split(np.array([cost * sign], np.int64)))
        assert (micro, remainder) == split_pico_usd(cost * sign)
        sums = pairs[group, batch]
        sums[0], sums[1] = sums[0] + micro * many, sums[1] + remainder * many
    for sums in pairs.values():
        assert all(np.int64(part) == part for part in sums)  # no column leaves int64
    by_group: dict[int, int] = defaultdict(int)
    for (group, _), sums in pairs.items():
        by_group[group] += join_pico_usd(*sums)
    assert sum(by_group.values()) == ledger


def test_the_largest_ledger_fits() -> None:
    """10**11 USD in one group are far from the end of int64, remainders included."""
    micro, remainder = split_pico_usd(LIMIT_PICO_USD - 1)
    assert micro < 2**63
    assert remainder * 10**12 < 2**63
    assert join_pico_usd(micro, remainder) == LIMIT_PICO_USD - 1


TINY = event(org="globex", model="no-such-model", input_tokens=1, input_cache_read_tokens=None)
RATES = st.decimals(0, 1000, places=12) | st.decimals(0, 5, places=2)


@settings(max_examples=max(20, EXAMPLES // 20), deadline=None)
@given(st.lists(usage_events(ids=st.integers(0, 10**6), counts=small), max_size=12), RATES, RATES)
@example([TINY, {**TINY, "id": "other"}], Decimal("0.9"), Decimal(0))  # their remainders make a micro-USD
def test_rows_and_deltas_are_one_ledger(events: list[dict[str, Any]], into: Decimal, out: Decimal) -> None:
    """For each entity type and each budget, the deltas add up to the rows that name it, at whatever own prices."""
    rule = PriceOverride(id="own", org="acme", usd_per_mtok={"input": into, "output": out})
    budgets = [Budget(id=f"all-{org}", org=org, limit=Decimal(1)) for org in ("acme", "globex", "initech")]
    ceilings = [
        PriceCeiling(id="all", org=org, input_usd_per_mtok=into, output_usd_per_mtok=out)
        for org in ("globex", "initech")
    ]
    result = step(new_lane(rule, *ceilings, *budgets), [raw(one) for one in events])
    rows, deltas = rows_of(result), deltas_of(result)
    for kind in ("org", "team", "user", "credential", "agent", "model", "use_case", "project"):
        said: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for delta in deltas:
            if delta["entity_type"] == kind:
                said[delta["org"], delta["entity_id"]] += _pico(delta)
        assert said == _sums(rows, kind)
    budgeted: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for delta in (one for one in deltas if one["entity_type"] == "budget"):
        budgeted[delta["org"], delta["org"]] += _pico(delta)
    assert budgeted == _sums(rows, "org")


def _pico(delta: dict[str, Any]) -> Counter[str]:
    assert all(0 <= delta[remainder] < 10**6 for _, remainder in MONEY_PAIRS)
    cost, ceiling = (join_pico_usd(delta[micro], delta[remainder]) for micro, remainder in MONEY_PAIRS)
    return Counter({"cost": cost, "ceiling": ceiling})


def _sums(rows: list[dict[str, Any]], kind: str) -> dict[tuple[str, str], Counter[str]]:
    """Cost, and the ceilings of what has none: no row adds to both."""
    found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in rows:
        assert row["cost_usd"] is None or row["ceiling_cost_usd"] is None
        if row[kind] is not None:
            added = {name: pico_usd(row[f"{name}_usd"] or Decimal(0)) for name in ("cost", "ceiling_cost")}
            found[row["org"], row[kind]] += Counter({"cost": added["cost"], "ceiling": added["ceiling_cost"]})
    return found


counts = st.none() | st.integers(0, 5) | st.integers(0, 5) | st.integers(0, MAX_TOKENS)


@st.composite
def sides(draw: Any, leaves: int) -> tuple[int | None, list[int | None]]:
    """A total and leaves of one side, which often add up and often nearly do."""
    parts = [draw(st.none() | st.integers(0, 3) | counts) for _ in range(leaves)]
    known = sum(part or 0 for part in parts)
    total = draw(st.none() | st.just(known) | st.integers(-2, 2).map(lambda off: known + off) | counts)
    return (None if total is None else min(max(total, 0), MAX_TOKENS)), parts


def adds_up(total: int | None, leaves: list[int | None]) -> bool:
    """The law itself, in the plainest words: one leaf may be left out, and is then the rest."""
    known = sum(leaf or 0 for leaf in leaves)
    if total is None:
        return True
    return known == total or (leaves[0] is None and known <= total)


@settings(max_examples=EXAMPLES, deadline=None)
@given(sides(len(INPUT_LEAVES)), sides(len(OUTPUT_LEAVES)))
def test_what_does_not_add_up_is_never_accepted(
    into: tuple[int | None, list[int | None]], out: tuple[int | None, list[int | None]]
) -> None:
    """The contract, the codec and rating's columns accept a side if and only if its leaves add up to its total."""
    fields: dict[str, Any] = {"input_tokens": into[0], "output_tokens": out[0]}
    fields |= dict(zip(INPUT_LEAVES, into[1], strict=True)) | dict(zip(OUTPUT_LEAVES, out[1], strict=True))
    expected = adds_up(*into) and adds_up(*out)
    assert _accepted(lambda: UsageData(org="o", provider="p", model="m", **fields)) == expected
    given_fields = {"input_cache_read_tokens": None, "output_reasoning_tokens": None, **fields}
    assert _accepted(lambda: decode(raw(event(**given_fields)))) == expected
    agree = []
    for total, leaves in (into, out):
        columns = [np.array([-1 if leaf is None else leaf], np.int64) for leaf in leaves]
        done = complete_tokens(np.array([-1 if total is None else total], np.int64), columns)
        agree.append(bool(done.agree[0]))
        if agree[-1] and not done.missing[0]:
            assert done.leaves[:, 0].sum() == done.total[0]
            assert done.leaves.min() >= 0
    assert all(agree) == expected


def _accepted(read: Any) -> bool:
    try:
        read()
    except (ValidationError, InvalidMessage):
        return False
    return True
