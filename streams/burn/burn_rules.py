"""When a budget burns too fast for its period: pairs of a long and a short window, scaled to the period.

Laws
1. A rung is reached when the long and the short window both burn at least `factor` times what the budget allows on
   average. The factor spends the rung's share of the budget within its long window:
   factor = percent x period_hours / (100 x long_hours); 14.4x, 6x, 3x and 1x for 30 days.
2. Spending is not flat: a working day holds a day's budget in 8 hours. So no rung goes below its `least_factor`,
   which is what matters for periods shorter than a month, and a long window is shorter than the period.
3. Tiny budgets do not page: the long window holds at least `LEAST_SPEND` of the unit.
4. A rung clears when its short window has burnt less than `CLEAR_SHARE` of what fires for the length of its long one.
5. A budget that lasts does not burn too fast: at the pace of the calmer of its two windows what is left must be used
   up within `LASTS_RATIO` of what is left of the period.
6. How long what is left lasts says who hears of a rung: with `page_sec` at most, and no more than `PAGE_SHARE` of what
   is left of the period, it is critical, a page, if its long window holds `LEAST_PAGED`; with `ticket_sec` at most it
   is a warning, a ticket; else it is published and notifies nobody: a burst of an hour is no budget in danger.
Laws 5 and 6 are measured: `burnline bench overspend`, docs/burn-alerts.md.
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
class Rung:
    """A rung for one budget: amounts from which on each window counts as too fast, and below which the short clears."""

    pairing: Pairing
    factor: Fraction
    need_long: Pair
    need_short: Pair
    clear_short: Pair

    @property
    def level(self) -> str:
        """The rung's name in alerts: the factor with at most two decimals and an x."""
        return f"{float(self.factor):.2f}".rstrip("0").rstrip(".") + "x"


def whole(amount: Pair, unit: Unit) -> int:
    """An amount in the smallest unit: pico-USD, tokens, requests."""
    return amount[0] * PICO_PER_MICRO + amount[1] if unit == "usd" else amount[0]


def lasts_sec(pairing: Pairing, *, left: int, long: int, short: int) -> int:
    """For how many whole seconds what is left lasts at the pace of the calmer window; all in the smallest unit."""
    return max(left * pairing.long_sec // max(long, 1), left * pairing.short_sec // max(short, 1))


def severity_of(pairing: Pairing, unit: Unit, *, lasts: int, rest: int, long: int) -> Severity | None:
    """How urgent a reached rung is, by laws 5 and 6; None where the budget lasts. `lasts` and `rest` in seconds."""
    if lasts > rest * LASTS_RATIO:
        return None
    if lasts <= min(Fraction(pairing.page_sec), rest * PAGE_SHARE) and long >= LEAST_PAGED[unit]:
        return "critical"
    return "warning" if lasts <= pairing.ticket_sec else "info"


@lru_cache(maxsize=4096)
def _rungs(limit: Fraction, unit: Unit, nominal_sec: int) -> tuple[Rung, ...]:
    found = []
    for pairing in PAIRINGS:
        if pairing.long_sec >= nominal_sec:
            continue
        derived = Fraction(pairing.percent * nominal_sec, 100 * pairing.long_sec)
        factor = max(derived, pairing.least_factor)
        per_sec = factor * limit / nominal_sec
        long, short = per_sec * pairing.long_sec, per_sec * pairing.short_sec
        found.append(
            Rung(
                pairing=pairing,
                factor=factor,
                need_long=need_of(max(long, LEAST_SPEND[unit]), unit),
                need_short=need_of(short, unit),
                clear_short=need_of(short * CLEAR_SHARE, unit),
            )
        )
    return tuple(found)


def rungs_of(budget: Budget, *, nominal_sec: int) -> tuple[Rung, ...]:
    """The rungs of a budget in a period of so many seconds, most urgent first; none where it has none to give.

    None for periods below a day, for a limit of zero (any spend breaches it), and where the budget does not want them.
    """
    if not budget.burn_alerts or budget.limit == 0 or nominal_sec < SHORTEST_PERIOD_SEC:
        return ()
    return _rungs(Fraction(budget.limit), budget.unit, nominal_sec)
