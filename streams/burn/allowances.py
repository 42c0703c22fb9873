"""How much a budget allows in one of its periods, where that is not its limit alone. Pure.

Laws
1. It is the limit, or of a period that the budget's first or last day cuts and that is pro-rated, the share of the
   limit that its days have; cut to the pico-USD, or to whole tokens and requests.
2. With `roll_over`, what was left of the own limit of the period before is added, once, at most `roll_over_most`. It
   follows from that period's sum at any moment, so late events and corrections restate it; what was carried into that
   period is not carried on. What has no price is spent at its ceiling.
3. An increase is added while the log's clock stands between its start and its end: the floor, which waits for all
   lanes. A period that is over keeps what it had at its end.
"""

from decimal import Decimal
from fractions import Fraction

from schemas.money import PICO_PER_USD, usd
from schemas.periods import Period, period_in
from streams.burn.limits import Plan, Unit, amount_of
from streams.burn.period_table import PeriodKey, Periods, spent_in

NOTHING = Decimal(0)


def plan_in(table: Periods, plan: Plan, key: PeriodKey, *, now_us: int) -> Plan:
    """The plan of a budget with the limit that a period of it (or of a member) has; `now_us`: how far the clock is."""
    if not plan.varies:
        return plan
    period = period_in(plan.calendar, key[3])
    if period is None:
        return plan
    more = _increased(plan, key[2], period, now_us=now_us)
    return plan.under(_own(plan, period) + _carried(table, plan, key, period) + more)


def _own(plan: Plan, period: Period) -> Decimal:
    budget = plan.budget
    if not budget.prorate or period.nominal_sec == period.whole_sec:
        return budget.limit
    return _cut(Fraction(budget.limit) * period.nominal_sec / period.whole_sec, budget.unit)


def _cut(amount: Fraction, unit: Unit) -> Decimal:
    if unit == "usd":
        return usd(amount * PICO_PER_USD // 1)
    return Decimal(amount // 1)


def _carried(table: Periods, plan: Plan, key: PeriodKey, period: Period) -> Decimal:
    budget = plan.budget
    before = period_in(plan.calendar, period.start_us - 1) if budget.roll_over else None
    if before is None:
        return NOTHING
    own = _own(plan, before)
    slot = table.slots.get((*key[:3], before.start_us))
    spent = NOTHING if slot is None else amount_of(spent_in(table, slot).with_estimates, budget.unit)
    left = min(own, max(NOTHING, own - spent))
    return left if budget.roll_over_most is None else min(left, budget.roll_over_most)


def _increased(plan: Plan, member: str, period: Period, *, now_us: int) -> Decimal:
    at_us = max(min(now_us, period.end_us - 1), period.start_us)
    amounts = (
        one.amount for one in plan.increases if one.member in ("", member) and one.starts_us <= at_us < one.ends_us
    )
    return sum(amounts, NOTHING)
