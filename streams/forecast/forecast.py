"""The forecast of one budget: what it will have spent at the end of its period, and when it is used up. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from schemas.errors import InputError
from streams.forecast.history import Amounts, History, Past
from streams.forecast.remaining import ForecastRule, remaining
from streams.forecast.shape import past_of

SHARES = (0.1, 0.5, 0.9)
_QUANTUM = Decimal("0.000001")
_STEPS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Spend at the end of the period as three quantiles, in the unit of the budget, and when the limit is reached.

    `p10 <= p50 <= p90`, none below `spent`. Of the three dates `earliest` is met with one chance in ten, `latest` with
    nine; each is None where that is not before the period ends. Once the limit is reached all three are `now`; a limit
    of zero is reached by any spend.
    `reaches_limit_ratio` is the chance that the limit is reached. Without a limit, these are None.
    """

    now: datetime
    period_end: datetime
    spent: Decimal
    p10: Decimal
    p50: Decimal
    p90: Decimal
    limit: Decimal | None
    reaches_limit_ratio: float | None
    earliest: datetime | None
    median: datetime | None
    latest: datetime | None


class Likely(NamedTuple):
    """P50 of the end of a period, and the chance that it reaches the limit."""

    p50: Decimal
    reaches_limit_ratio: float


def forecast(  # noqa: PLR0913  all that a budget is, by name
    history: History,
    *,
    now: datetime,
    period_end: datetime,
    spent: Decimal,
    limit: Decimal | None = None,
    rule: ForecastRule | None = None,
) -> Forecast | None:
    """What will have been spent at `period_end` if spend goes on as it did; None while nothing is known.

    `history` holds every whole bucket up to `now`, also those before this period; `spent` is what the ledger has for
    this period and may hold more than the history does (the running bucket, charges). A limit that is reached exactly
    is reached.
    Raises: InputError: the history does not end with the last whole bucket before `now`.
    """
    chosen = rule or ForecastRule()
    known = _known(history, now=now, period_end=period_end, rule=chosen)
    if known is None:
        return None
    past, begin, end = known
    if end <= begin:
        rest, chance = np.zeros(len(SHARES)), 0.0
    else:
        samples = remaining(past, begin=begin, end=end, rule=chosen)
        rest = samples.quantiles(SHARES)
        chance = samples.share_from(_left(limit, spent)) if limit is not None else 0.0
    reached = limit is not None and spent >= limit and spent > 0
    dates: tuple[datetime | None, ...] = (None, None, None)
    if reached:
        dates = (now, now, now)
    elif limit is not None and end > begin:
        path = _path(past, begin=begin, end=end, final=rest, rule=chosen)
        dates = _crossings(path, _left(limit, spent), now=now, period_end=period_end)
    p10, p50, p90 = (spent + _up(amount) for amount in rest.tolist())
    return Forecast(
        now=now,
        period_end=period_end,
        spent=spent,
        p10=p10,
        p50=p50,
        p90=p90,
        limit=limit,
        reaches_limit_ratio=None if limit is None else 1.0 if reached else chance,
        earliest=dates[0],
        median=dates[1],
        latest=dates[2],
    )


def likely(  # noqa: PLR0913  all that a budget is, by name
    history: History,
    *,
    now: datetime,
    period_end: datetime,
    spent: Decimal,
    limit: Decimal,
    rule: ForecastRule | None = None,
) -> Likely | None:
    """`p50` and `reaches_limit_ratio` of `forecast` without the dates, which cost most of it; None: nothing is known.

    Raises: InputError: as `forecast`.
    """
    chosen = rule or ForecastRule()
    known = _known(history, now=now, period_end=period_end, rule=chosen)
    if known is None:
        return None
    past, begin, end = known
    reached = spent >= limit and spent > 0
    if end <= begin:
        return Likely(spent, 1.0 if reached else 0.0)
    samples = remaining(past, begin=begin, end=end, rule=chosen)
    middle = spent + _up(float(samples.quantiles(SHARES)[1]))
    return Likely(middle, 1.0 if reached else samples.share_from(_left(limit, spent)))


def _known(
    history: History, *, now: datetime, period_end: datetime, rule: ForecastRule
) -> tuple[Past, float, float] | None:
    """The past, where now is and where the period ends; None while nothing is known."""
    begin, end = history.position(now), history.position(period_end)
    if len(history.amounts) != int(begin):
        raise InputError(f"a history of {len(history.amounts)} buckets from {history.start} does not end before {now}")
    if not (history.amounts > 0).any():
        return None
    return past_of(history, until=max(end, begin), rule=rule.shape), begin, end


def _left(limit: Decimal, spent: Decimal) -> float:
    """What is left of the limit; one of zero is reached by any spend, not by none."""
    return max(float(limit - spent), float(_QUANTUM))


def _up(amount: float) -> Decimal:
    """A millionth of the unit, upwards: a rest that is not zero is not shown as zero."""
    return Decimal(amount).quantize(_QUANTUM, rounding=ROUND_CEILING)


def _path(past: Past, *, begin: float, end: float, final: Amounts, rule: ForecastRule) -> Amounts:
    """The rest at each quantile after each twelfth of what is left, never falling and never above the final one."""
    ends = begin + (end - begin) * np.arange(1, _STEPS) / _STEPS
    rows = [remaining(past, begin=begin, end=float(at), rule=rule).quantiles(SHARES) for at in ends]
    path = np.minimum(np.maximum.accumulate(np.array(rows), axis=0), final)
    return np.vstack([np.zeros(len(SHARES)), path, final])


def _crossings(path: Amounts, left: float, *, now: datetime, period_end: datetime) -> tuple[datetime | None, ...]:
    """When each quantile of spend reaches what is left, the fastest first."""
    length = period_end - now
    return tuple(_crossing(path[:, quantile].tolist(), left, now=now, length=length) for quantile in (2, 1, 0))


def _crossing(amounts: list[float], left: float, *, now: datetime, length: timedelta) -> datetime | None:
    for step, (before, after) in enumerate(pairwise(amounts)):
        if after >= left:
            within = (left - before) / (after - before) if after > before else 0.0
            return now + length * ((step + within) / _STEPS)
    return None
