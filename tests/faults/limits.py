"""The budgets of a run, and what must follow from them: which states, which thresholds. Pure.

Which thresholds must fire, by the rules of `streams/burn/budgets.py` (law 3), where nothing depends on how the log is
cut into batches:
1. A period that is open throughout the run fires whatever its sum reaches, late events included: by cost, and what it
   reaches only with the ceilings of what has no price as estimated.
2. A period that is over before the run fires nothing: only late events touch it.
3. A period that ends during the run fires what its sum reaches, if no late event touches it.
Anything else (a month that ends during the run and has both) may fire or not, and is left open: `may`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.faults.ledger import CEILING_USD_PER_MTOK, Counted
from tests.faults.moments import period_of
from tests.faults.traffic import ORGS

SHARES = ("0.5", "0.8", "1")
_PICO = 10**12
KEEP_US = 49 * 3_600_000_000
"""How long after its end a period has a state (`streams/burn/budgets.py`, law 5)."""
SLACK_US = 600_000_000
"""How far from the beginning or end of the run a period's end must be to be surely outside it."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A budget as the ledger knows it."""

    id: str
    org: str
    limit: str
    unit: str = "usd"
    period: str = "month"
    scope: Mapping[str, str] = field(default_factory=dict)
    each: str | None = None
    timezone: str = "UTC"
    burn_alerts: bool = False

    def as_toml(self) -> str:
        """The budget as `burnline apply` reads it."""
        scope = ", ".join(f'{name} = "{value}"' for name, value in self.scope.items())
        each = f'each = "{self.each}"\n' if self.each else ""
        return (
            f'[[budget]]\nid = "{self.id}"\norg = "{self.org}"\nscope = {{ {scope} }}\n{each}unit = "{self.unit}"\n'
            f'limit = {self.limit}\nperiod = "{self.period}"\ntimezone = "{self.timezone}"\n'
            f"thresholds = [{', '.join(SHARES)}]\nburn_alerts = {str(self.burn_alerts).lower()}\n"
        )

    def shares(self) -> tuple[str, ...]:
        """The thresholds that are said: all shares of nothing are the same amount, and the highest is said alone."""
        return SHARES if Decimal(self.limit) else SHARES[-1:]

    def need(self, share: str) -> int:
        """The least whole amount (pico-USD, tokens, requests) that reaches a share of the limit; never nothing."""
        whole = Decimal(share) * Decimal(self.limit) * (_PICO if self.unit == "usd" else 1)
        return max(1, int(whole.to_integral_value(rounding="ROUND_CEILING")))

    def member(self, data: Mapping[str, Any]) -> str | None:
        """Whose spend an event of these data is here: '' for the budget as a whole, None where it does not count."""
        if data["org"] != self.org or any(data.get(name) != value for name, value in self.scope.items()):
            return None
        return "" if self.each is None else data.get(self.each)

    def amount(self, event: Counted) -> int:
        """What an event adds, in whole units as of `need`."""
        if self.unit == "usd":
            return event.cost_pico_usd or 0
        return 1 if self.unit == "requests" else event.tokens

    def estimate(self, event: Counted) -> int:
        """What an event without a price may add at most, in pico-USD; counts know no estimates."""
        return event.ceiling_pico_usd if self.unit == "usd" else 0


def ceilings_toml() -> str:
    """What calls without a price are taken to cost at most, as `burnline apply` reads it."""
    into, out = CEILING_USD_PER_MTOK
    return "\n".join(
        f'[[price_ceiling]]\nid = "all"\norg = "{org}"\ninput_usd_per_mtok = {into}\noutput_usd_per_mtok = {out}\n'
        f'[[run_rule]]\norg = "{org}"\nloop_least_sec = 10\nloop_least_usd = 0\n'
        for org in ORGS
    )


def limits_for(*, rate_per_sec: float, seconds: float) -> list[Limit]:
    """Budgets of every unit and period, so sized that their thresholds are crossed all along a run of this length."""
    requests = max(40, int(rate_per_sec * seconds))
    usd = Decimal(requests) * Decimal("0.012")  # what an event costs on average, about
    found = []
    for org in ORGS:
        code = {"team": "code"}
        found += [
            Limit(id="month", org=org, limit=f"{usd / 6:f}", burn_alerts=True),
            Limit(id="week-tokens", org=org, unit="tokens", period="week", limit=str(requests * 1200)),
            Limit(id="code-day", org=org, period="day", scope=code, limit=f"{usd / 12:f}"),
            Limit(id="keys-day", org=org, period="day", each="credential", unit="requests", limit=str(requests // 60)),
            Limit(id="users-hour", org=org, period="hour", each="user", limit=f"{usd / 40:f}"),
            Limit(id="india-day", org=org, period="day", timezone="Asia/Kolkata", limit=f"{usd / 5:f}"),
            Limit(id="forbidden", org=org, scope={"team": "forbidden"}, limit="0"),
            Limit(id="plenty", org=org, limit="1000000"),
        ]
    return found


PeriodKey = tuple[str, str, str, int]
"""org, budget, member, start of the period."""
LevelKey = tuple[str, str, str, int, str]
"""The same, and the share of the limit."""


@dataclass
class PeriodSum:
    """What one budget (or member) has spent in one period."""

    end_us: int
    amount: int = 0
    estimate: int = 0  # on top of it
    requests: int = 0
    unpriced: int = 0
    live: int = 0
    late: int = 0


def sums_of(limits: Iterable[Limit], events: Iterable[Counted]) -> dict[PeriodKey, PeriodSum]:
    """Every budget's periods that hold any event."""
    by_org: dict[str, list[Limit]] = {}
    for limit in limits:
        by_org.setdefault(limit.org, []).append(limit)
    found: dict[PeriodKey, PeriodSum] = {}
    for event in events:
        data = event.event.data
        for limit in by_org.get(data["org"], ()):
            member = limit.member(data)
            if member is None:
                continue
            start_us, end_us = period_of(event.event.event_us, limit.period, limit.timezone)
            total = found.setdefault((limit.org, limit.id, member, start_us), PeriodSum(end_us))
            total.amount += limit.amount(event)
            total.estimate += limit.estimate(event)
            total.requests += 1
            total.unpriced += event.unpriced
            total.live += event.live
            total.late += not event.live
    return found


@dataclass(frozen=True)
class Expected:
    """The thresholds that must be said, and those of which nobody can know."""

    must: frozenset[LevelKey]
    may: frozenset[LevelKey]
    estimated: frozenset[LevelKey] = frozenset()
    """Must be said, and may be so as estimated; what is only here is never said as cost."""


def thresholds(
    limits: Iterable[Limit], sums: Mapping[PeriodKey, PeriodSum], *, began_us: int, ended_us: int
) -> Expected:
    """What must fire in a run whose first and last records were appended then."""
    by_key = {(limit.org, limit.id): limit for limit in limits}
    must: set[LevelKey] = set()
    may: set[LevelKey] = set()
    estimated: set[LevelKey] = set()
    for key, total in sums.items():
        limit = by_key[key[:2]]
        reached = {(*key, share) for share in limit.shares() if total.amount >= limit.need(share)}
        supposed = {(*key, share) for share in limit.shares() if total.amount + total.estimate >= limit.need(share)}
        if total.end_us > ended_us + SLACK_US or (total.live and not total.late):
            must |= reached
            estimated |= supposed
        elif total.live or total.end_us >= began_us - SLACK_US:
            may |= supposed
    return Expected(frozenset(must), frozenset(may), frozenset(estimated))
