"""The invariants, each as a named check: what the ledger says against what the stack says. Pure.

Laws
1. Both sides are compared as exact integers, sets or texts; nothing is rounded, nothing is skipped in silence.
2. A check that finds nothing to compare fails.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from producers.simulator.prices import LEAVES
from schemas.money import pico_usd
from schemas.signals import Alert
from tests.faults.ledger import Truth
from tests.faults.limits import KEEP_US, Expected, LevelKey, PeriodKey, PeriodSum
from tests.faults.moments import MINUTE_US, micros

Row = Mapping[str, Any]
SumKey = tuple[int, str, str, str]
"""Minute (microseconds since 1970), org, team, credential ('' where there is none)."""


@dataclass(frozen=True)
class Check:
    """One sentence about the run; `wrong` is empty where it is true, `compared` says how much was looked at."""

    name: str
    what: str
    compared: int
    wrong: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether it is true, of something."""
        return not self.wrong and self.compared > 0


def check(name: str, what: str, compared: int, wrong: Iterable[str]) -> Check:
    """A check; where nothing was compared, that is what is wrong."""
    found = tuple(wrong)
    return Check(name, what, compared, found or (() if compared else ("nothing was there to compare",)))


def compare(expected: Mapping[Any, Any], actual: Mapping[Any, Any]) -> list[str]:
    """Every key on which two sides differ, in words."""
    keys = sorted((key for key in expected.keys() | actual.keys() if expected.get(key) != actual.get(key)), key=repr)
    return [f"{key}: ledger {expected.get(key)}, found {actual.get(key)}" for key in keys]


SUM_COLUMNS = ("requests", "errors", "unpriced", "unknown_cost", *LEAVES, "cost_pico_usd")


def usage_sums(truth: Truth) -> dict[SumKey, tuple[int, ...]]:
    """The ledger per minute, team and key, in the order of SUM_COLUMNS."""
    found: dict[SumKey, list[int]] = {}
    for one in truth.counted:
        data = one.event.data
        minute = one.event.event_us // MINUTE_US * MINUTE_US
        sums = found.setdefault((minute, data["org"], data["team"], data.get("credential", "")), [0] * len(SUM_COLUMNS))
        row = (1, data["status"] == "error", one.unpriced, one.cost_pico_usd is None, *one.leaves)
        for index, value in enumerate((*row, one.cost_pico_usd or 0)):
            sums[index] += value
    return {key: tuple(sums) for key, sums in found.items()}


USAGE_SUMS_SQL = (
    "SELECT toUnixTimestamp(toStartOfMinute(ts)) AS minute, org, team, credential, count() AS requests,"
    " countIf(status = 'error') AS errors, countIf(pricing_status LIKE 'unpriced%') AS unpriced,"
    " countIf(cost_usd IS NULL) AS unknown_cost, "
    + ", ".join(f"ifNull(sum({leaf}), 0) AS {leaf}" for leaf in LEAVES)
    + ", ifNull(sum(toDecimal128(cost_usd, 12)), 0) AS cost"
    " FROM usage_events GROUP BY minute, org, team, credential"
)


def usage_rows(rows: Iterable[Row]) -> dict[SumKey, tuple[int, ...]]:
    """The answer to USAGE_SUMS_SQL as the ledger writes it."""
    return {
        (int(row["minute"]) * 1_000_000, str(row["org"]), str(row["team"]), str(row["credential"])): (
            *(int(row[name]) for name in SUM_COLUMNS[:-1]),
            pico_usd(Decimal(row["cost"])),
        )
        for row in rows
    }


def alert_checks(alerts: Sequence[Alert], expected: Expected) -> list[Check]:
    """I5 and I6: the thresholds on alerts.budgets, each exactly once, resolved only after they fired, none without."""
    thresholds = [alert for alert in alerts if alert.rule == "threshold"]
    said = Counter(_level(alert) for alert in thresholds if alert.status == "firing" and alert.basis == "actual")
    supposed = Counter(_level(alert) for alert in thresholds if alert.status == "firing" and alert.basis == "estimated")
    missing = [f"never said: {key}" for key in sorted(expected.must - said.keys())]
    missing += [f"never estimated: {key}" for key in sorted(expected.estimated - said.keys() - supposed.keys())]
    twice = [
        f"said {count} times: {key}" for both in (said, supposed) for key, count in sorted(both.items()) if count > 1
    ]
    named = Counter((alert.alert_id, alert.seq) for alert in alerts)
    copies = [f"{alert_id}/{seq} stands {count} times" for (alert_id, seq), count in named.items() if count > 1]
    early: list[str] = []
    last: dict[str, Alert] = {}
    for alert in alerts:
        before = last.get(alert.alert_id)
        if not _follows(before, alert):
            early.append(
                f"{alert.alert_id}: seq {alert.seq} {alert.status} after {0 if before is None else before.seq}"
            )
        if before is None or alert.seq > before.seq:
            last[alert.alert_id] = alert
    groundless = [f"no breach: {key}" for key in sorted(said.keys() - expected.must - expected.may)]
    groundless += [f"no breach: {key}" for key in sorted(supposed.keys() - expected.estimated - expected.may)]
    groundless += [f"{alert.alert_id}: an estimate is critical" for alert in thresholds if _dares_too_much(alert)]
    groundless += [
        f"{alert.alert_id}: {alert.value} is below {alert.threshold}"
        for alert in thresholds
        if alert.value < alert.threshold
    ]
    return [
        check("I5", "each threshold that the ledger crosses is said", len(expected.must), missing),
        check("I5", "none is said twice", len(thresholds), twice + copies),
        check("I5", "transitions come in order, a resolve never before its alert", len(alerts), early),
        check("I6", "no threshold is said without a breach", len(said), groundless),
    ]


_URGENCY = ("info", "warning", "critical")


def _follows(before: Alert | None, alert: Alert) -> bool:
    """Whether it may be the next transition.

    Firing, then perhaps firing by cost after an estimate, or a burn rate that is more urgent now, then resolved.
    """
    if before is None:
        return (alert.seq, alert.status) == (1, "firing")
    now_actual = (before.basis, alert.basis) == ("estimated", "actual")
    now_urgent = alert.rule == "burn_rate" and _URGENCY.index(alert.severity) > _URGENCY.index(before.severity)
    ends_or_grows = alert.status == "resolved" or now_actual or (alert.status == "firing" and now_urgent)
    return alert.seq == before.seq + 1 and before.status == "firing" and ends_or_grows


def _dares_too_much(alert: Alert) -> bool:
    return alert.basis == "estimated" and alert.severity == "critical"


def _level(alert: Alert) -> LevelKey:
    start_us = micros(alert.period_start) if alert.period_start else 0
    return (alert.org, str(alert.budget_id), alert.member or "", start_us, alert.level)


def budget_ledger(sums: Mapping[PeriodKey, PeriodSum], *, began_us: int) -> dict[PeriodKey, tuple[int, ...]]:
    """Spent (pico-USD, tokens or requests), estimated, requests, unpriced requests of each budget period that is kept.

    A period that had ended KEEP_US before the run has no state: nothing live can fall into it.
    """
    return {
        key: (total.amount, total.estimate, total.requests, total.unpriced)
        for key, total in sums.items()
        if total.end_us > began_us - KEEP_US
    }


BUDGETS_SQL = (
    "SELECT org, budget_id, member, toUnixTimestamp(period_start) AS start, unit, spent,"
    " ifNull(estimated_usd, 0) AS estimated, requests, unpriced_requests FROM budget_states"
    " WHERE budget_id != 'papers'"  # those are debited by charges alone: papers.py
)


def budget_rows(rows: Iterable[Row]) -> dict[PeriodKey, tuple[int, ...]]:
    """The answer to BUDGETS_SQL as the ledger writes it."""
    return {
        (str(row["org"]), str(row["budget_id"]), str(row["member"]), int(row["start"]) * 1_000_000): (
            pico_usd(Decimal(row["spent"])) if row["unit"] == "usd" else int(Decimal(row["spent"])),
            pico_usd(Decimal(row["estimated"])),
            int(row["requests"]),
            int(row["unpriced_requests"]),
        )
        for row in rows
    }


def eventually(make: Callable[[], Check], wait: Callable[[Callable[[], bool]], bool]) -> Check:
    """The check once it passes; or as it stands when the wait is over."""
    found: list[Check] = []

    def passes() -> bool:
        found.append(make())
        return found[-1].passed

    wait(passes)
    return found[-1]
