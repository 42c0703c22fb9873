"""When a budget burns too fast for its period: pairs of a long and a short window, scaled to the period.

Laws
1. A rung is reached when the long and the short window both burn at least `factor` times what the budget allows for
   the hours in them. The factor spends the rung's share of the budget within its long window:
   factor = percent x period_hours / (100 x long_hours); 14.4x, 6x, 3x and 1x for 30 days.
2. Spending is not flat: a working day holds a day's budget in 8 hours. So no rung goes below its `least_factor`,
   which is what matters for periods shorter than a month, and a long window is shorter than the period.
3. Tiny budgets do not page: the long window holds at least `LEAST_SPEND` of the unit.
4. A rung is calm when a window of it burns less than `CLEAR_SHARE` of what fires, or what is left lasts as much longer
   than what law 5 asks; it clears when it was calm for the length of its long window, `LONGEST_HOLD_SEC` at most.
5. A budget that lasts does not burn too fast: at the pace of the calmer of its two windows what is left must be used
   up within `LASTS_RATIO` of what is left of the period. Pace is spend per hour and spend per expected hour; what is
   left must be used up at either.
6. How long what is left lasts says who hears of a rung: with `page_sec` at most, and no more than `PAGE_SHARE` of what
   is left of the period, it is critical, a page, if its long window holds `LEAST_PAGED`; with `ticket_sec` at most it
   is a warning, a ticket; else it is published and notifies nobody: a burst of an hour is no budget in danger.
7. Hours are expected hours: those that the shape of the budget's week (week.py) puts into a window, of those that it
   puts into the period. Of a flat shape they are hours.
Laws 5 to 7 are measured: `burnline bench overspend`, docs/burn-alerts.md.
Source: https://sre.google/workbook/alerting-on-slos/ (multiwindow, multi-burn-rate), read 2026-11-22.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from schemas.money import PICO_PER_MICRO, PICO_PER_USD
from schemas.policies import Budget
from streams.burn.limits import Pair, Unit, need_of

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
"""Ascending."""

CLEAR_SHARE = Fraction(4, 5)
LEAST_SPEND: Mapping[Unit, Fraction] = {"usd": Fraction(1), "tokens": Fraction(100_000), "requests": Fraction(100)}
LEAST_PAGED: Mapping[Unit, int] = {"usd": 10 * PICO_PER_USD, "tokens": 1_000_000, "requests": 1_000}
"""In the smallest unit: pico-USD, tokens, requests."""
LASTS_RATIO = Fraction(3, 2)
PAGE_SHARE = Fraction(1, 4)
SHORTEST_PERIOD_SEC = 86_400
LONGEST_HOLD_SEC = 2 * 86_400
ALWAYS_SEC = 2**62


@dataclass(frozen=True, slots=True)
class Pairing:
    """A rung for any period: spend `percent` of the budget within `long_sec`."""

    percent: int
    long_sec: int
    short_sec: int
    least_factor: Fraction
    page_sec: int
    ticket_sec: int


PAIRINGS = (
    Pairing(2, 3_600, 300, Fraction(6), page_sec=3_600, ticket_sec=43_200),
    Pairing(5, 21_600, 1_800, Fraction(3), page_sec=10_800, ticket_sec=86_400),
    Pairing(10, 86_400, 7_200, Fraction(3, 2), page_sec=21_600, ticket_sec=432_000),
    Pairing(10, 259_200, 21_600, Fraction(1), page_sec=43_200, ticket_sec=ALWAYS_SEC),
)
"""Most urgent first. Source: the workbook's table, with sloth's 1 d pair, google-30d.yaml."""
WINDOWS_SEC = tuple(sorted({sec for pairing in PAIRINGS for sec in (pairing.long_sec, pairing.short_sec)}))


@dataclass(frozen=True, slots=True)
class Expected:
    """Expected time (week.py) in the two windows and in the period, in one unit, whichever."""

    long: int
    short: int
    period: Fraction


@dataclass(frozen=True, slots=True)
class Rung:
    """A rung for one budget: what it allows in its period times the factor."""

    pairing: Pairing
    factor: Fraction
    allowed: Fraction
    unit: Unit
    nominal_sec: int

    @property
    def level(self) -> str:
        """The rung's name in alerts: the factor with at most two decimals and an x."""
        return f"{float(self.factor):.2f}".rstrip("0").rstrip(".") + "x"

    @property
    def hold_sec(self) -> int:
        """How long it has to be calm."""
        return min(self.pairing.long_sec, LONGEST_HOLD_SEC)

    def flat(self) -> Expected:
        """Expected time where every hour is like every other."""
        return Expected(self.pairing.long_sec, self.pairing.short_sec, Fraction(self.nominal_sec))

    def needs(self, expected: Expected) -> tuple[Pair, Pair]:
        """The amounts from which on the long and the short window burn too fast."""
        per_time = self.allowed / expected.period
        long = max(per_time * expected.long, LEAST_SPEND[self.unit])
        return need_of(long, self.unit), need_of(per_time * expected.short, self.unit)


def whole(amount: Pair, unit: Unit) -> int:
    """An amount in the smallest unit: pico-USD, tokens, requests."""
    return amount[0] * PICO_PER_MICRO + amount[1] if unit == "usd" else amount[0]


def lasts(expected: Expected, *, left: int, long: int, short: int) -> int:
    """For how much expected time what is left lasts at the pace of the calmer window; amounts in the smallest unit."""
    return max(left * expected.long // max(long, 1), left * expected.short // max(short, 1))


def severity_of(pairing: Pairing, unit: Unit, *, lasts_sec: int, rest_sec: int, long: int) -> Severity | None:
    """How urgent a reached rung is, by laws 5 and 6; None where the budget lasts."""
    if lasts_sec > rest_sec * LASTS_RATIO:
        return None
    if lasts_sec <= min(Fraction(pairing.page_sec), rest_sec * PAGE_SHARE) and long >= LEAST_PAGED[unit]:
        return "critical"
    return "warning" if lasts_sec <= pairing.ticket_sec else "info"


def pairings_of(nominal_sec: int) -> tuple[Pairing, ...]:
    """The rungs of any budget in a period of so many seconds, most urgent first."""
    if nominal_sec < SHORTEST_PERIOD_SEC:
        return ()
    return tuple(pairing for pairing in PAIRINGS if pairing.long_sec < nominal_sec)


def factor_of(pairing: Pairing, *, nominal_sec: int) -> Fraction:
    """How many times what the budget allows a rung is, in a period of so many seconds."""
    return max(Fraction(pairing.percent * nominal_sec, 100 * pairing.long_sec), pairing.least_factor)


@lru_cache(maxsize=4096)
def _rungs(limit: Fraction, unit: Unit, nominal_sec: int) -> tuple[Rung, ...]:
    factors = ((pairing, factor_of(pairing, nominal_sec=nominal_sec)) for pairing in pairings_of(nominal_sec))
    return tuple(Rung(pairing, factor, factor * limit, unit, nominal_sec) for pairing, factor in factors)


def rungs_of(budget: Budget, *, nominal_sec: int) -> tuple[Rung, ...]:
    """The rungs of a budget in a period of so many seconds, most urgent first; none where it has none to give.

    None for periods below a day, for a limit of zero (any spend breaches it), and where the budget does not want them.
    """
    if not budget.burn_alerts or budget.limit == 0:
        return ()
    return _rungs(Fraction(budget.limit), budget.unit, nominal_sec)
