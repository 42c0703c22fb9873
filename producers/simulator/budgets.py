"""The policies of the simulated company: budgets that hold, and one whose limit the day's spend crosses. Pure.

Its own model has no list price; what it may cost at most is stated, so that estimates stay small beside real cost.

A budget that holds has a limit of 150 such days, so that it burns below its pace in every window even at noon.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from producers.simulator.company import ORG
from producers.simulator.models import UNPRICED
from producers.simulator.planted import OVER_BUDGET_TEAM
from schemas.money import plain, usd

THRESHOLDS = (Decimal("0.5"), Decimal("0.8"), Decimal(1))
_HEALTHY_DAYS = 150
_CROSSED_AT = Decimal("0.65")
"""The share of the month's part of the day at which the over-budget team reaches its limit."""
HEALTHY_TEAMS = {"code-platform": "chloe.adler", "data-platform": "sven.brandt", "support": "rosa.costa"}
_OWNER = {OVER_BUDGET_TEAM: "nadia.duval", **HEALTHY_TEAMS}


@dataclass(frozen=True, slots=True)
class Spend:
    """What one event cost: whose, when, how much; in order of event time."""

    team: str
    at: datetime
    cost_pico_usd: int


@dataclass(frozen=True, kw_only=True)
class SimulatedBudget:
    """A monthly budget and what the day does to it; `crossed` says when each threshold was reached, in event time."""

    id: str
    team: str | None
    limit_usd: Decimal
    period_start: datetime
    spent_pico_usd: int
    crossed: dict[str, datetime]

    def as_json(self) -> dict[str, Any]:
        """What must come out of this budget."""
        return {
            "id": self.id,
            "team": self.team,
            "limit_usd": plain(self.limit_usd),
            "period_start": self.period_start.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "spent_pico_usd": self.spent_pico_usd,
            "crossed": {level: at.strftime("%Y-%m-%dT%H:%M:%S.%fZ") for level, at in self.crossed.items()},
        }

    def as_toml(self) -> str:
        """The budget as `burnline apply` reads it."""
        scope = f'scope = {{ team = "{self.team}" }}\n' if self.team else ""
        return (
            f'[[budget]]\nid = "{self.id}"\norg = "{ORG}"\n{scope}'
            f'unit = "usd"\nlimit = "{plain(self.limit_usd)}"\nperiod = "month"\ntimezone = "UTC"\n'
            f"thresholds = [{', '.join(plain(level) for level in THRESHOLDS)}]\n"
            f'owner = "{_OWNER.get(self.team or "", "cfo")}"\n'
        )


def budgets(spends: list[Spend], *, end: datetime) -> list[SimulatedBudget]:
    """The company's budgets for the month in which the day ends."""
    last = end - timedelta(microseconds=1)
    month = last.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    this_month = [spend for spend in spends if spend.at >= month]
    over = [spend for spend in this_month if spend.team == OVER_BUDGET_TEAM]
    found = [_budget(OVER_BUDGET_TEAM, _limit_crossed(over), over, month)]
    found += [_healthy(team, (spend for spend in spends if spend.team == team), month) for team in HEALTHY_TEAMS]
    return [*found, _healthy(None, spends, month)]


def _healthy(team: str | None, spends: Iterable[Spend], month: datetime) -> SimulatedBudget:
    own = list(spends)
    day_usd = usd(sum(spend.cost_pico_usd for spend in own))
    limit = (day_usd * _HEALTHY_DAYS / 100).to_integral_value() * 100 + 100
    return _budget(team, limit, [spend for spend in own if spend.at >= month], month)


def _limit_crossed(own: list[Spend]) -> Decimal:
    """A limit, in whole cents where that is fine enough, that is reached at about 65 % of what is spent."""
    share = usd(sum(spend.cost_pico_usd for spend in own)) * _CROSSED_AT
    cents = share.quantize(Decimal("0.01"))
    return cents if cents >= 1 else share.quantize(Decimal("0.000001"))


def _budget(team: str | None, limit: Decimal, own: list[Spend], month: datetime) -> SimulatedBudget:
    crossed: dict[str, datetime] = {}
    spent = 0
    for spend in own:
        spent += spend.cost_pico_usd
        for level in THRESHOLDS:
            if plain(level) not in crossed and usd(spent) >= limit * level:
                crossed[plain(level)] = spend.at
    return SimulatedBudget(
        id=f"{team or ORG}-monthly",
        team=team,
        limit_usd=limit,
        period_start=month,
        spent_pico_usd=spent,
        crossed=crossed,
    )


def policies_toml(own: list[SimulatedBudget]) -> str:
    """The policy file of the company: its budgets, its rules, and a horizon that makes the whole day live."""
    ceiling = (
        f'[[price_ceiling]]\nid = "own-model"\norg = "{ORG}"\nmodel = "{UNPRICED.name}"\n'
        "input_usd_per_mtok = 0.2\noutput_usd_per_mtok = 0.6\n"
    )
    rules = (
        ceiling,
        f'[[spike_rule]]\norg = "{ORG}"\n',
        f'[[shared_credential_rule]]\norg = "{ORG}"\n',
        f'[[horizon]]\norg = "{ORG}"\nlive_horizon = "48h"\n',
    )
    return "\n".join(("# The budgets and rules of the simulated company.", *(b.as_toml() for b in own), *rules))
