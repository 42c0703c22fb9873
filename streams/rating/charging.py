"""What each event of a batch costs, and how surely: prices looked up once per model, tier, place and quarter hour.

Laws
1. `cost_usd` is NULL where anything that was used has no known price, never zero and never a part of the sum; then
   `ceiling` says what it may have cost at most.
2. A call that the gateway answered from its own cache costs zero; a call without any usage costs NULL (`no_usage`).
3. The model that served and the tier that served decide the price, at the time of the event.
4. `cost` is what the organisation pays, `listed` what anybody would: each NULL on its own where it is not known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum

import numpy as np

from schemas.usage import INPUT_LEAVES
from streams.rating.columns import Columns
from streams.rating.costs import MAX_EVENT_COST_PICO_USD, Bools, Costs, cost_of, rate_table
from streams.rating.groups import Ints, combine, first_rows, from_zero, groups_of
from streams.rating.price_rules import Prices, Question, Quote
from streams.rating.prices import PARTS, SLOT_US, Ceiling
from streams.rating.unit_charges import UnitCharge, ceiling_of_units, cost_of_units, units_of

Rates = tuple[Decimal | None, ...]
_NO_RATES: Rates = (None,) * len(PARTS)


class Pricing(IntEnum):
    """`pricing_status`, by its code."""

    priced = 0
    unpriced_model = 1
    unpriced_leaf = 2
    no_usage = 3
    gateway_cache_hit = 4
    estimated = 5  # the tier has no price of its own: the standard price
    overridden = 6  # a price override of the organisation
    free = 7  # everything that was used has the price zero


_KNOWN = np.array([True, False, False, False, False, True, True, True])
"""By code: whether the cost is the sum of what was used."""


@dataclass(frozen=True)
class Charges:
    """The money of each row in pico-USD; -1 is NULL. `refused` rows cost 10**6 USD or more."""

    cost: Ints
    listed: Ints
    ceiling: Ints
    status: Ints
    refused: Bools
    version: str  # of the book and the rules over it
    counts: Ints  # rows x parts: what was charged for
    parts: Ints  # rows x parts: what each cost, where priced
    rates: list[Rates]  # the flat rates that were used, in the order of PARTS
    rate: Ints  # which of them each row had; -1 for none
    quotes: list[Quote]
    quote: Ints  # which of them each row had
    units: dict[int, list[UnitCharge]]  # by row: what was billed beside tokens

    @property
    def unpriced(self) -> Bools:
        """Rows whose model, or a leaf of it, has no known price."""
        unpriced: Bools = (self.status == Pricing.unpriced_model) | (self.status == Pricing.unpriced_leaf)
        return unpriced


@dataclass(frozen=True)
class _Chosen:
    """The prices of a batch: quotes, their flat rates one after the other, and which each row has."""

    quotes: list[Quote]
    quote: Ints
    flat: list[Rates]
    listed: list[Rates]  # beside `flat`
    rate: Ints  # -1: the model has no price


def charge(columns: Columns, prices: Prices) -> Charges:
    """The charges of a batch."""
    counts = _counts(columns)
    chosen = _chosen(columns, prices)
    costs = _costs(counts, chosen.flat, chosen.rate)
    used = units_of(columns)
    units = cost_of_units(used, chosen.quotes, chosen.quote)
    _add(costs, units)
    status = _status(columns, costs, chosen, used=bool(used))
    cost = np.where(_KNOWN[status], costs.total, -1)
    cost[status == Pricing.gateway_cache_hit] = 0
    refused = costs.too_large & _KNOWN[status]
    unpriced = (status == Pricing.unpriced_model) | (status == Pricing.unpriced_leaf)
    ceiling = np.full(columns.rows, -1, np.int64)
    if unpriced.any():
        ceiling[unpriced] = _ceilings(columns, counts, prices)[unpriced]
        for row in [row for row in used if unpriced[row]]:
            ceiling[row] = min(
                int(ceiling[row]) + ceiling_of_units(used[row], prices.book), MAX_EVENT_COST_PICO_USD - 1
            )
    return Charges(
        cost=cost,
        listed=_listed(cost, counts, chosen, used, status) if prices.has_rules else cost,
        ceiling=ceiling,
        status=status,
        refused=refused,
        version=prices.version,
        counts=counts,
        parts=costs.parts,
        rates=chosen.flat,
        rate=chosen.rate,
        quotes=chosen.quotes,
        quote=chosen.quote,
        units=units,
    )


def _costs(counts: Ints, flat: Sequence[Rates], rate: Ints) -> Costs:
    """What each row costs at its flat rates; a row without any has nothing known."""
    table = rate_table([*flat, _NO_RATES], len(PARTS))
    return cost_of(counts, np.where(rate < 0, len(flat), rate), table)


def _add(costs: Costs, units: dict[int, list[UnitCharge]]) -> None:
    """What was billed beside tokens joins the costs of its rows."""
    for row, charged in units.items():
        known = [some.cost_pico_usd for some in charged if some.cost_pico_usd is not None]
        total = int(costs.total[row]) + sum(known)
        costs.incomplete[row] |= len(known) < len(charged)
        costs.too_large[row] |= total >= MAX_EVENT_COST_PICO_USD
        costs.total[row] = 0 if costs.too_large[row] else total


def _listed(cost: Ints, counts: Ints, chosen: _Chosen, used: dict[int, dict[str, float]], status: Ints) -> Ints:
    """What each row would cost at list prices: of rows without a rule, and of what is not charged, what it costs."""
    by_rule = np.array([quote.rule is not None for quote in chosen.quotes], np.bool_)
    charged = (chosen.rate >= 0) & (status != Pricing.no_usage) & (status != Pricing.gateway_cache_hit)
    rows = np.flatnonzero(by_rule[chosen.quote] & charged)
    if not len(rows):
        return cost
    costs = _costs(counts[rows], chosen.listed, chosen.rate[rows])
    places = {row: at for at, row in enumerate(rows.tolist())}
    inside = {places[row]: held for row, held in used.items() if row in places}
    as_listed = [Quote(quote.listed, quote.listed) for quote in chosen.quotes]
    _add(costs, cost_of_units(inside, as_listed, chosen.quote[rows]))
    listed = cost.copy()
    listed[rows] = np.where(costs.incomplete | costs.too_large, -1, costs.total)
    return listed


def _counts(columns: Columns) -> Ints:
    """What each row used of each part; a missing side is zero here, and told apart by the status."""
    calls = np.ones((1, columns.rows), np.int64)
    counts: Ints = np.concatenate([np.maximum(columns.input.leaves, 0), np.maximum(columns.output.leaves, 0), calls]).T
    return counts


def _chosen(columns: Columns, prices: Prices) -> _Chosen:
    """The prices of a batch; each distinct combination of what a price depends on is looked up once."""
    names = ("provider", "model", "service_tier", "inference_region", "region", *(("org",) if prices.has_rules else ()))
    codes = {name: columns.codes(name) for name in names if not columns.missing(name)}
    slots, slot = groups_of(*from_zero(columns.event_us // SLOT_US))
    key = combine(*((code.codes + 1, len(code.values) + 1) for code in codes.values()), (slot, len(slots)))
    distinct, quote = groups_of(*key)
    quotes: list[Quote] = []
    flat: list[Rates] = []
    listed: list[Rates] = []
    base = np.full(len(distinct), -1, np.int64)
    places: dict[tuple[int, int], int] = {}  # by identity: a backfill asks for the same rates at many times
    stepped: list[int] = []
    for at, row in enumerate(first_rows(quote, len(distinct)).tolist()):
        said = {name: code.values[code.codes[row]] for name, code in codes.items() if code.codes[row] >= 0}
        found = prices.quote(_question(said, int(columns.event_us[row] // SLOT_US)))
        quotes.append(found)
        if found.effective is not None:
            steps = found.effective.tiers
            base[at] = places.setdefault((id(found.effective), id(found.listed)), len(flat))
            if base[at] == len(flat):
                flat.extend(steps)
                listed.extend(found.listed.tiers if found.listed is not None else [_NO_RATES] * len(steps))
            stepped.extend([at] if found.effective.starts else [])
    rate = base[quote]
    for at in stepped:
        rows = np.flatnonzero(quote == at)
        effective = quotes[at].effective
        if effective is not None:
            rate[rows] += np.searchsorted(effective.starts, columns.input.total[rows], side="left")
    return _Chosen(quotes, quote, flat, listed, rate)


def _question(said: dict[str, str], slot: int) -> Question:
    return Question(
        org=said.get("org", ""),
        provider=said["provider"],
        model=said["model"],
        tier=said.get("service_tier"),
        inference_region=said.get("inference_region"),
        region=said.get("region"),
        slot=slot,
    )


def _status(columns: Columns, costs: Costs, chosen: _Chosen, *, used: bool) -> Ints:
    how = np.array([_kind(quote) for quote in chosen.quotes], np.int64)
    status = how[chosen.quote] if columns.rows else np.zeros(0, np.int64)
    nothing = (costs.total == 0) & ~costs.incomplete
    if nothing.any():
        tokens = np.maximum(columns.input.total, 0) + np.maximum(columns.output.total, 0)
        status[nothing & ((tokens > 0) | _with_units(columns, used=used))] = Pricing.free
    status[costs.incomplete] = Pricing.unpriced_leaf
    status[chosen.rate < 0] = Pricing.unpriced_model
    silent = columns.input.missing & columns.output.missing
    if silent.any():
        status[silent & ~_with_units(columns, used=used)] = Pricing.no_usage
    status[columns.true("gateway_cache_hit")] = Pricing.gateway_cache_hit
    return status


def _kind(quote: Quote) -> Pricing:
    if quote.is_overridden:
        return Pricing.overridden
    return Pricing.estimated if quote.effective is not None and quote.effective.estimated else Pricing.priced


def _with_units(columns: Columns, *, used: bool) -> Bools:
    """Which rows were billed for more than tokens."""
    return (
        np.array([bool(some) for some in columns.data["units"]], np.bool_) if used else np.zeros(columns.rows, np.bool_)
    )


def _ceilings(columns: Columns, counts: Ints, prices: Prices) -> Ints:
    """The most that each row may have cost: all its tokens at the ceiling rates of its model, capped below 10**6."""
    codes = [columns.codes(name) for name in ("org", "provider", "model")]
    distinct, group = groups_of(*combine(*((code.codes, len(code.values)) for code in codes)))
    rows = first_rows(group, len(distinct)).tolist()
    ceilings = [prices.ceiling(*(code.values[code.codes[row]] for code in codes)) for row in rows]
    costs = cost_of(counts, group, rate_table([_ceiling_rates(ceiling) for ceiling in ceilings], len(PARTS)))
    return np.where(costs.too_large, MAX_EVENT_COST_PICO_USD - 1, costs.total)


def _ceiling_rates(ceiling: Ceiling) -> tuple[Decimal | None, ...]:
    leaves = (
        ceiling.input_usd_per_mtok if part in INPUT_LEAVES else ceiling.output_usd_per_mtok for part in PARTS[:-1]
    )
    return (*leaves, None)
