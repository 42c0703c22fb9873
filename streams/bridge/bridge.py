"""The bridge: the change of spend between two periods as a sum of drivers, exact to the last pico-USD. Pure.

Laws
1. The terms add up to the difference of the two periods, always.
2. What changes in one way only is one term: more calls of the same kind are volume, other rates price, and so on.
3. The same sums give the same bridge, in whatever order they come.

The order, each step at what the steps before left of the baseline:
`volume`        first attempts, at what one cost in the baseline, its retries included
`retries`       further attempts per first attempt, at what such an attempt cost in the baseline
`model_mix`     shares of products (provider, model, tier, place) among the calls, at baseline cost per call
`cache`         shares of calls that the gateway's own cache answered; then, last of input, how cached and uncached
                tokens share the input
`input_length`  calls that pass a step of their model's price for long contexts; then input tokens per call
`output_length` visible output tokens per call
`reasoning`     reasoning tokens per call
`beside_tokens` searches, seconds, pages, ... per call
`price`         the rates, at the quantities of now: cross terms count as price
`other`         what the prices of the parts do not explain of a cost
`charges`       amounts beside usage: seats, contracts, refunds

A product (or a step, or retries) that the baseline did not have enters its level as it is now, at the rates that the
baseline would have asked of it (`rates`; where nobody knows them, at those of now). A baseline without calls has
nothing to be compared with: all is volume.
So quantities are weighed by the old prices and prices by the new quantities: a Laspeyres quantity and a Paasche price
indicator, whose sum is the change of value.
Source: https://search.r-project.org/CRAN/refmans/IndexNumR/html/valueDecomposition.html (the two indicators),
https://unstats.un.org/unsd/sna1993/toclev8.asp?L1=16&L2=3 (different qualities are different products).
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from streams.bridge.parts import CACHE_PARTS, driver_of_part

DRIVERS = (
    "volume", "retries", "model_mix", "input_length", "cache", "output_length", "reasoning", "beside_tokens", "price",
    "other", "charges",
)  # fmt: skip
"""In the order in which a person reads them."""
_NONE = Fraction(0)
_LEVELS = ("retries", "model_mix", "cache", "input_length")
"""The driver of each level of a cell, from the outside in."""


class Cell(NamedTuple):
    """What makes calls alike, from the outside in; `step` counts the price steps that their input passes."""

    is_retry: bool
    product: tuple[str, ...]
    from_gateway_cache: bool
    step: int


@dataclass(slots=True)
class Sums:
    """Calls that are alike: tokens and units by part, what each part cost, and `rest`: cost that no part explains."""

    calls: int = 0
    counts: dict[str, Fraction] = field(default_factory=dict)
    costs_pico_usd: dict[str, Fraction] = field(default_factory=dict)
    rest_pico_usd: Fraction = _NONE

    @property
    def cost_pico_usd(self) -> Fraction:
        """What the calls cost."""
        return sum(self.costs_pico_usd.values(), self.rest_pico_usd)


Side = Mapping[Cell, Sums]
Rates = Mapping[tuple[Cell, str], Fraction]
"""Pico-USD per token (or unit) that the baseline would have asked of a cell's part."""
Terms = dict[str, Fraction]


@dataclass(frozen=True)
class Bridge:
    """What was spent before and after, and the change by driver; all in whole pico-USD."""

    before_pico_usd: int
    after_pico_usd: int
    terms_pico_usd: Mapping[str, int]

    @property
    def difference_pico_usd(self) -> int:
        """The change: the sum of the terms."""
        return self.after_pico_usd - self.before_pico_usd


def bridge(
    before: Side, after: Side, *, rates: Rates | None = None, charges_pico_usd: tuple[int, int] = (0, 0)
) -> Bridge:
    """The bridge from one period to another; `charges_pico_usd` are the amounts beside usage, before and after.

    The costs of a side must add up to a whole number of pico-USD.
    """
    terms: Terms = defaultdict(Fraction)
    totals = [sum((sums.cost_pico_usd for sums in side.values()), _NONE) for side in (before, after)]
    terms["charges"] += charges_pico_usd[1] - charges_pico_usd[0]
    old, new = (_calls_only(side, terms, sign) for side, sign in ((before, -1), (after, 1)))
    _spread(old, new, rates or {}, terms)
    whole = [int(total) + charged for total, charged in zip(totals, charges_pico_usd, strict=True)]
    return Bridge(whole[0], whole[1], rounded(terms, whole[1] - whole[0]))


def rounded(terms: Mapping[str, Fraction], total: int) -> dict[str, int]:
    """Whole numbers that add up to `total`, which is the sum of the terms; a whole term stays as it is.

    Each is rounded down; what that leaves goes, one each, to those that lost most, of equal ones to the first in the
    order of DRIVERS.
    """
    exact = {driver: terms.get(driver, _NONE) for driver in DRIVERS}
    found = {driver: term.numerator // term.denominator for driver, term in exact.items()}
    by_loss = sorted(DRIVERS, key=lambda driver: found[driver] - exact[driver])
    for driver in by_loss[: total - sum(found.values())]:
        found[driver] += 1
    return found


def _calls_only(side: Side, terms: Terms, sign: int) -> dict[Cell, Sums]:
    """The cells that have calls; what others cost (signed rows may) is `other`."""
    found = {}
    for cell, sums in sorted(side.items()):
        if sums.calls > 0:
            found[cell] = _sound(sums)
        else:
            terms["other"] += sign * sums.cost_pico_usd
    return found


def _sound(sums: Sums) -> Sums:
    """The same, every cost of a part with a count; what has none joins the rest."""
    counted = {part: cost for part, cost in sums.costs_pico_usd.items() if sums.counts.get(part)}
    rest = sums.cost_pico_usd - sum(counted.values(), _NONE)
    return Sums(sums.calls, {part: count for part, count in sums.counts.items() if count}, counted, rest)


def _spread(old: dict[Cell, Sums], new: dict[Cell, Sums], rates: Rates, terms: Terms) -> None:
    cost_old, cost_new = _cost(old), _cost(new)
    firsts = [sum(sums.calls for cell, sums in side.items() if not cell.is_retry) for side in (old, new)]
    if not old or not new:
        terms["volume"] += cost_new - cost_old
        return
    if not all(firsts):  # nothing but retries: then they are the calls
        old, new = _as_firsts(old), _as_firsts(new)
        firsts = [_calls(old), _calls(new)]
    terms["volume"] += (firsts[1] - firsts[0]) * cost_old / firsts[0]
    _descend(_Pair(old, new, Fraction(firsts[1], firsts[0])), 0, rates, terms)


def _as_firsts(side: dict[Cell, Sums]) -> dict[Cell, Sums]:
    """The side with its retries as first attempts; it has no others where both would meet in a cell."""
    found: dict[Cell, Sums] = {}
    for cell, sums in side.items():
        place = found.setdefault(cell._replace(is_retry=False), Sums())
        place.calls += sums.calls
        place.rest_pico_usd += sums.rest_pico_usd
        for mine, theirs in ((place.counts, sums.counts), (place.costs_pico_usd, sums.costs_pico_usd)):
            for part, amount in theirs.items():
                mine[part] = mine.get(part, _NONE) + amount
    return found


class _Pair(NamedTuple):
    """The same part of both periods, and how many times its calls there are now."""

    old: dict[Cell, Sums]
    new: dict[Cell, Sums]
    growth: Fraction


def _descend(pair: _Pair, level: int, rates: Rates, terms: Terms) -> None:
    """From `growth` times the old cost to the new one: the shares at this level, then what lies within each."""
    if level == len(_LEVELS):
        ((cell, some),) = pair.old.items()
        _within(cell, some, pair.new[cell], rates, terms)
        return
    for old, new in _parted(pair, level):
        supposed = _cost(old) / _calls(old) if old else _supposed(new, rates) / _calls(new)
        terms[_LEVELS[level]] += (_calls(new) - pair.growth * _calls(old)) * supposed
        if not old:
            terms["price"] += _cost(new) - _supposed(new, rates)
        elif new:
            _descend(_Pair(old, new, Fraction(_calls(new), _calls(old))), level + 1, rates, terms)


def _parted(pair: _Pair, level: int) -> list[tuple[dict[Cell, Sums], dict[Cell, Sums]]]:
    """The cells of both sides that are alike at a level, each of which one side may lack."""
    found: dict[object, tuple[dict[Cell, Sums], dict[Cell, Sums]]] = {}
    for at, side in enumerate((pair.old, pair.new)):
        for cell, sums in side.items():
            found.setdefault(cell[level], ({}, {}))[at][cell] = sums
    return list(found.values())


def _within(cell: Cell, old: Sums, new: Sums, rates: Rates, terms: Terms) -> None:
    """Calls that are alike in both: from the old quantities per call and rates to the new ones."""
    growth = Fraction(new.calls, old.calls)
    parts = sorted({*old.counts, *new.counts})
    before = {part: growth * old.counts.get(part, _NONE) for part in parts}
    after = {part: new.counts.get(part, _NONE) for part in parts}
    then = {part: _rate(old, part, lambda part: _rate_then(cell, new, part, rates)) for part in parts}
    now = {part: _rate(new, part, then.__getitem__) for part in parts}
    cached = [part for part in parts if part in CACHE_PARTS]
    lengths = [sum((side[part] for part in cached), _NONE) for side in (before, after)]
    worth_before, worth_after = (sum((side[part] * then[part] for part in cached), _NONE) for side in (before, after))
    longer = worth_before * lengths[1] / lengths[0] if lengths[0] else worth_after
    terms["input_length"] += longer - worth_before
    terms["cache"] += worth_after - longer
    for part in parts:
        if part not in CACHE_PARTS:
            terms[driver_of_part(part)] += (after[part] - before[part]) * then[part]
        terms["price"] += after[part] * (now[part] - then[part])
    terms["other"] += new.rest_pico_usd - growth * old.rest_pico_usd


def _rate(sums: Sums, part: str, otherwise: Callable[[str], Fraction]) -> Fraction:
    """What one of a part cost; `otherwise` where none was used."""
    count = sums.counts.get(part)
    return sums.costs_pico_usd.get(part, _NONE) / count if count else otherwise(part)


def _rate_then(cell: Cell, new: Sums, part: str, rates: Rates) -> Fraction:
    """What one of a part that is used now would have cost in the baseline; what it costs now where nobody knows."""
    known = rates.get((cell, part))
    return _rate(new, part, lambda _part: _NONE) if known is None else known


def _supposed(side: dict[Cell, Sums], rates: Rates) -> Fraction:
    """What the quantities of a side would have cost at the rates of the baseline."""
    return sum(
        (
            sums.rest_pico_usd
            + sum((count * _rate_then(cell, sums, part, rates) for part, count in sums.counts.items()), _NONE)
            for cell, sums in side.items()
        ),
        _NONE,
    )


def _cost(side: Mapping[Cell, Sums]) -> Fraction:
    return sum((sums.cost_pico_usd for sums in side.values()), _NONE)


def _calls(side: Mapping[Cell, Sums]) -> int:
    return sum(sums.calls for sums in side.values())
