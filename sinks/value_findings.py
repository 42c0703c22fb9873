"""What a night asks the ledger about value, and the findings that follow from the rows. Pure.

Laws
1. Weeks and days that are over are judged, never those that run: the 28 days to the end of the newest such week or day.
   Quadrants of weeks that ended a week before: what came of them has had seven more days to come.
2. Hysteresis: quadrants have theirs in the view, and in what a use case costs (10 USD, while open 7); proven waste
   opens at 5 % of a team's spend and ends below 3 %.
3. An organisation of which no outcome of the 28 days is known has no new finding about value, and what was open stays
   so: missing is neither low nor good.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal

from schemas.money import plain
from sinks.queries import Query
from sinks.value_peers import PEERS, costs_enough, of_peers
from sinks.value_verdicts import LOW_VALUE, Finding, Key

LEAST_USD = Decimal(10)
"""Of 28 days, below which nobody is disturbed."""
LEAST_HELD_USD = Decimal(7)
"""The same, of a use case about which an episode is open."""
WASTE_FROM, WASTE_TO = Decimal("0.05"), Decimal("0.03")
_WINDOW = timedelta(days=28)
_CENT = Decimal("0.01")
Row = Mapping[str, Any]

_QUADRANTS = """
SELECT q.org AS org, q.use_case AS use_case, q.owner AS owner, q.cost_usd AS cost_usd, q.value_usd AS value_usd,
  q.cost_to_org_ratio AS cost_ratio, q.things AS things, q.valued AS valued, q.advice AS advice,
  q.known AS known, ifNull(u.requests, 0) AS requests
FROM
(
  -- Of each organisation the newest week that is judged: one in which it did nothing at all ends nothing.
  SELECT *, sum(things) OVER (PARTITION BY org, week) AS known, max(week) OVER (PARTITION BY org) AS newest
  FROM value_quadrants WHERE week > {week:Date} - 35 AND week <= {week:Date} - 7
) AS q
LEFT JOIN
(
  SELECT d.org AS org, toString(d.use_case) AS use_case, toInt64(sum(d.requests)) AS requests
  FROM usage_1d_utc AS d WHERE d.t >= {week:Date} - 28 AND d.t < {week:Date} GROUP BY org, use_case
) AS u ON u.org = q.org AND u.use_case = q.use_case
WHERE q.week = q.newest AND (q.advice IN ('stop', 'intervene') OR q.known = 0)
ORDER BY org, use_case
"""
_WASTE = """
SELECT w.org AS org, w.team AS team, w.usd AS usd, w.calls AS calls, w.kinds AS kinds, w.kinds_usd AS kinds_usd,
  s.usd AS spent_usd
FROM
(
  SELECT k.org AS org, k.team AS team, sum(k.usd) AS usd, sum(k.calls) AS calls, groupArray(k.kind) AS kinds,
    groupArray(k.usd) AS kinds_usd
  FROM
  (
    SELECT toString(f.org) AS org, toString(f.team) AS team, f.kind AS kind, toInt64(count()) AS calls,
      sum(toDecimal128(f.recoverable_usd, 12)) AS usd
    FROM waste_findings AS f
    WHERE f.evidence = 'proven' AND f.team != '' AND f.ts >= toDateTime64({day:Date} - 28, 6, 'UTC')
      AND f.ts < toDateTime64({day:Date}, 6, 'UTC')
    GROUP BY org, team, kind ORDER BY kind
  ) AS k GROUP BY org, team
) AS w
INNER JOIN
(
  SELECT toString(d.org) AS org, toString(d.team) AS team, sum(d.cost_usd) AS usd FROM usage_1d_utc AS d
  WHERE d.t >= {day:Date} - 28 AND d.t < {day:Date} GROUP BY org, team
) AS s ON s.org = w.org AND s.team = w.team
ORDER BY org, team
"""
_PERFORMING = """
SELECT org, team, kind, since, until, tokens, usual_tokens, cost_usd FROM performing
WHERE until > {day:Date} - 28 AND until <= {day:Date} ORDER BY org, team, kind, since
"""
_QUALITY = """
SELECT org, use_case, outcome_type, what, cases, ratio, cases_before, ratio_before FROM quality_drops
WHERE week = {week:Date} AND use_case != '' ORDER BY org, use_case, outcome_type, what
"""
_OWNERS = """
SELECT b.org AS org, 'use_case' AS entity_type, toString(b.use_case) AS entity_id, max(b.owner) AS owner
FROM value_policies_store AS b FINAL WHERE b.kind = 'business_case' AND b.owner != '' GROUP BY org, entity_id
UNION ALL
SELECT e.org AS org, 'team' AS entity_type, e.entity_id AS entity_id, max(e.owner) AS owner
FROM entities AS e WHERE e.entity_type = 'team' AND e.owner != '' AND e.valid_to IS NULL GROUP BY org, entity_id
"""
Name = Literal["quadrants", "waste", "performing", "quality", "peers", "owners"]
_ASKED: tuple[tuple[Name, str], ...] = (
    ("quadrants", _QUADRANTS), ("waste", _WASTE), ("performing", _PERFORMING), ("quality", _QUALITY),
    ("peers", PEERS), ("owners", _OWNERS),
)  # fmt: skip


def questions(night: datetime) -> Iterator[tuple[Name, Query]]:
    """What is asked about a night, each question by its name."""
    day = night.date()
    week = day - timedelta(days=day.weekday() + 7)
    for name, sql in _ASKED:
        parameters = {"week": week, "day": day}
        yield name, Query(sql, {key: value for key, value in parameters.items() if f"{{{key}:" in sql})


@dataclass(frozen=True)
class _Owners:
    """Who answers for an entity; None where nobody is named."""

    by_entity: Mapping[tuple[str, str, str], str]

    def of(self, org: str, entity_type: str, entity_id: str) -> str | None:
        return self.by_entity.get((org, entity_type, entity_id)) or None


def findings(rows: Mapping[Name, Iterable[Row]], *, held: Collection[Key]) -> list[Finding]:
    """What the rows say; `held` are the episodes that are open."""
    owners = _Owners({(row["org"], row["entity_type"], row["entity_id"]): row["owner"] for row in rows["owners"]})
    peers = (of_peers(row, owner=owners.of(row["org"], "team", row["team"])) for row in rows["peers"])
    waste = (_of_waste(row, owners) for row in rows["waste"])
    return [
        *(one for row in rows["quadrants"] for one in _of_quadrants(row, held)),
        *(one for one in waste if _wastes_enough(one, is_open=one.key in held)),
        *(_of_performing(row, owners) for row in rows["performing"]),
        *(_of_quality(row, owners) for row in rows["quality"]),
        *(one for one in peers if costs_enough(one, is_open=one.key in held)),
    ]


def _of_quadrants(row: Row, held: Collection[Key]) -> Iterator[Finding]:
    """What the row says; where nothing is known, what is open already."""
    for advice in (row["advice"],) if row["known"] else ("stop", "intervene"):
        found = _of_quadrant(row, stop=advice == "stop")
        is_open = found.key in held
        if row["cost_usd"] >= (LEAST_HELD_USD if is_open else LEAST_USD) and (row["known"] or is_open):
            yield found


def _of_quadrant(row: Row, *, stop: bool) -> Finding:
    cost, share = row["cost_usd"], row["cost_ratio"] or 0
    if not row["known"]:
        brought = "nobody has said what came of anything"
    elif stop:
        brought = f"brought {_cents(row['value_usd'])} USD"
    else:
        brought = f"of {row['things']} things that came of it {row['valued']} have a value"
    what = "stop it, or make it worth its money" if stop else "find out what it is worth"
    return Finding(
        rule=LOW_VALUE if stop else "intervention",
        level="stop" if stop else "intervene",
        org=row["org"],
        entity_type="use_case",
        entity_id=row["use_case"],
        severity="warning",
        value=cost,
        threshold=(row["value_usd"] or Decimal(0)) if stop else LEAST_USD,
        owner=row["owner"] or None,
        evidence={
            "cost_to_org_ratio": f"{share:.4f}",
            "things": str(row["things"]),
            "valued": str(row["valued"]),
            **({} if row["value_usd"] is None else {"value_usd": plain(row["value_usd"])}),
        },
        calls=row["requests"],
        message=f"use case {row['use_case']} cost {_cents(cost)} USD in 28 days ({share:.0%} of the organisation's) and"
        f" {brought}: {what}",
    )


def _of_waste(row: Row, owners: _Owners) -> Finding:
    kinds = dict(zip(row["kinds"], row["kinds_usd"], strict=True))
    named = ", ".join(f"{kind} {_cents(usd)}" for kind, usd in kinds.items())
    return Finding(
        rule="waste",
        level="proven",
        org=row["org"],
        entity_type="team",
        entity_id=row["team"],
        severity="warning",
        value=row["usd"],
        threshold=(row["spent_usd"] * WASTE_FROM).quantize(Decimal("1e-12")),
        owner=owners.of(row["org"], "team", row["team"]),
        evidence={"spent_usd": plain(row["spent_usd"]), **{kind: plain(usd) for kind, usd in kinds.items()}},
        calls=row["calls"],
        message=f"team {row['team']} wasted {_cents(row['usd'])} of {_cents(row['spent_usd'])} USD in 28 days, proven"
        f" by {row['calls']} calls ({named}); burnline waste shows them",
    )


def _wastes_enough(found: Finding, *, is_open: bool) -> bool:
    spent = Decimal(found.evidence["spent_usd"])
    return found.value >= spent * WASTE_TO if is_open else found.value >= max(LEAST_USD, found.threshold)


def _of_performing(row: Row, owners: _Owners) -> Finding:
    now, usual = (Decimal(int(row[name])) for name in ("tokens", "usual_tokens"))
    said = {
        "period_end_rush": "at the end of a period, and no more came of it: was it used, or only used up?",
        "volume_up_outcomes_flat": "in a week, and no more came of it: what was it for?",
        "off_task_burst": "in a day without use case, task, run or purpose: what was it for?",
    }[row["kind"]]
    return Finding(
        rule="goodhart",
        level=row["kind"],
        org=row["org"],
        entity_type="team",
        entity_id=row["team"],
        severity="info",
        unit="tokens",
        value=now,
        threshold=usual,
        owner=owners.of(row["org"], "team", row["team"]),
        evidence={"evidence": "possible", "cost_usd": plain(row["cost_usd"])},
        period=(_midnight(row["since"]), _midnight(row["until"])),
        message=f"team {row['team']} used {_apart(now)} tokens where {_apart(usual)} are usual, {said}",
    )


def _of_quality(row: Row, owners: _Owners) -> Finding:
    said = {"rejected": "were rejected", "intervention": "needed a person", "exception": "left the usual way"}
    return Finding(
        rule="quality_drop",
        level=f"{row['outcome_type']}/{row['what']}",
        org=row["org"],
        entity_type="use_case",
        entity_id=row["use_case"],
        severity="warning",
        unit="count",
        value=Decimal(f"{row['ratio']:.4f}"),
        threshold=Decimal(f"{row['ratio_before']:.4f}"),
        owner=owners.of(row["org"], "use_case", row["use_case"]),
        evidence={"cases": str(row["cases"]), "cases_before": str(row["cases_before"])},
        message=f"use case {row['use_case']}: {row['ratio']:.0%} of {row['cases']} outcomes {row['outcome_type']}"
        f" {said[row['what']]} in four weeks, {row['ratio_before']:.0%} of {row['cases_before']} in the four before",
    )


def _cents(amount: Decimal | None) -> str:
    return f"{(amount or Decimal(0)).quantize(_CENT):,}".replace(",", " ")


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(0), UTC)


def _apart(count: Decimal) -> str:
    return f"{int(count):,}".replace(",", " ")
