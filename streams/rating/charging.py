"""What each event of a batch costs, and how surely: prices looked up once per model, tier and quarter of an hour.

Laws
1. `cost_usd` is NULL where anything that was used has no known price, never zero and never a part of the sum; then
   `ceiling` says what it may have cost at most.
2. A call that the gateway answered from its own cache costs zero; a call without any usage costs NULL (`no_usage`).
3. The model that served and the tier that served decide the price, at the time of the event.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum

import numpy as np

from schemas.usage import INPUT_LEAVES
from streams.rating.columns import Columns
from streams.rating.costs import MAX_EVENT_COST_PICO_USD, Bools, Costs, cost_of, rate_table
from streams.rating.groups import Ints, combine, first_rows, from_zero, groups_of
from streams.rating.prices import PARTS, SLOT_US, Ceiling, ModelRates, PriceBook


class Pricing(IntEnum):
    """`pricing_status`, by its code."""

    priced = 0
    unpriced_model = 1
    unpriced_leaf = 2
    no_usage = 3
    gateway_cache_hit = 4


@dataclass(frozen=True)
class Charges:
    """The money of each row in pico-USD; -1 is NULL. `refused` rows cost 10**6 USD or more."""

    cost: Ints
    ceiling: Ints
    status: Ints
    refused: Bools
    counts: Ints  # rows x parts: what was charged for
    parts: Ints  # rows x parts: what each cost, where priced
    rates: list[tuple[Decimal | None, ...]]  # the flat rates that were used, in the order of PARTS
    rate: Ints  # which of them each row had; -1 for none

    @property
    def unpriced(self) -> Bools:
        """Rows whose model, or a leaf of it, has no known price."""
        unpriced: Bools = (self.status == Pricing.unpriced_model) | (self.status == Pricing.unpriced_leaf)
        return unpriced


def charge(columns: Columns, book: PriceBook) -> Charges:
    """The charges of a batch."""
    counts = _counts(columns)
    rates, rate = _rates(columns, book)
    table = rate_table([*rates, (None,) * len(PARTS)], len(PARTS))
    costs = cost_of(counts, np.where(rate < 0, len(rates), rate), table)
    status = _status(columns, costs, rate)
    cost = np.where(status == Pricing.priced, costs.total, -1)
    cost[status == Pricing.gateway_cache_hit] = 0
    refused = costs.too_large & (status == Pricing.priced)
    ceiling = np.full(columns.rows, -1, np.int64)
    unpriced = (status == Pricing.unpriced_model) | (status == Pricing.unpriced_leaf)
    if unpriced.any():
        ceiling[unpriced] = _ceilings(columns, counts, book)[unpriced]
    return Charges(cost, ceiling, status, refused, counts, costs.parts, rates, rate)


def _counts(columns: Columns) -> Ints:
    """What each row used of each part; a missing side is zero here, and told apart by the status."""
    calls = np.ones((1, columns.rows), np.int64)
    counts: Ints = np.concatenate([np.maximum(columns.input.leaves, 0), np.maximum(columns.output.leaves, 0), calls]).T
    return counts


def _rates(columns: Columns, book: PriceBook) -> tuple[list[tuple[Decimal | None, ...]], Ints]:
    """(flat rates, which of them each row has; -1 where its model has no price)."""
    provider, model, tier = columns.codes("provider"), columns.codes("model"), columns.codes("service_tier")
    slots, slot = groups_of(*from_zero(columns.event_us // SLOT_US))
    key = combine(
        (provider.codes, len(provider.values)),
        (model.codes, len(model.values)),
        (tier.codes + 1, len(tier.values) + 1),
        (slot, len(slots)),
    )
    distinct, group = groups_of(*key)
    first = first_rows(group, len(distinct)).tolist()
    flat: list[tuple[Decimal | None, ...]] = []
    base = np.full(len(distinct), -1, np.int64)
    tiered: list[tuple[int, ModelRates]] = []
    for at, row in enumerate(first):
        tier_name = tier.values[tier.codes[row]] if tier.codes[row] >= 0 else None
        names = (provider.values[provider.codes[row]], model.values[model.codes[row]], tier_name)
        found = book.rates(*names, int(columns.event_us[row] // SLOT_US))
        if found is not None:
            base[at] = len(flat)
            flat.extend(found.tiers)
            if found.starts:
                tiered.append((at, found))
    rate = base[group]
    for at, found in tiered:
        rows = np.flatnonzero(group == at)
        rate[rows] += np.searchsorted(found.starts, columns.input.total[rows], side="left")
    return flat, rate


def _status(columns: Columns, costs: Costs, rate: Ints) -> Ints:
    status = np.full(columns.rows, Pricing.priced, np.int64)
    status[costs.incomplete] = Pricing.unpriced_leaf
    status[rate < 0] = Pricing.unpriced_model
    status[columns.input.missing & columns.output.missing] = Pricing.no_usage
    status[columns.true("gateway_cache_hit")] = Pricing.gateway_cache_hit
    return status


def _ceilings(columns: Columns, counts: Ints, book: PriceBook) -> Ints:
    """The most that each row may have cost: all its tokens at the highest rates of its provider, capped below 10**6."""
    provider = columns.codes("provider")
    ceilings = [book.ceiling(name) for name in provider.values]
    table = rate_table([_ceiling_rates(ceiling) for ceiling in ceilings], len(PARTS))
    costs = cost_of(counts, provider.codes, table)
    return np.where(costs.too_large, MAX_EVENT_COST_PICO_USD - 1, costs.total)


def _ceiling_rates(ceiling: Ceiling) -> tuple[Decimal | None, ...]:
    leaves = (
        ceiling.input_usd_per_mtok if part in INPUT_LEAVES else ceiling.output_usd_per_mtok for part in PARTS[:-1]
    )
    return (*leaves, None)
