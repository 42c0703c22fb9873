"""Who costs four times as much as their peers do, without more coming of it: what is asked, and what it leads to. Pure.

Laws
1. Peers are of one cohort of the directory, else of one team; people and agents apart. Somebody is held against the
   median of the others, of at least five others; nobody is put in order, and tokens are not looked at.
2. Value is a gate: whoever brings at least half as many successes per dollar as the others do, or what is worth its
   money, is not accused, nor anybody where few of the others have outcomes: missing is not low. It is said why; that
   another reason holds begins no other episode, that none holds any more does.
3. Discovery within an allowance of its team is no spend here; whoever begins within the 28 days is no peer of anybody,
   nor is anybody of whose calls more than a tenth have no known cost.
4. The 28 days end a week before: what came of them has had seven more days to come.
5. Hysteresis: opens at four times, ends below three.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from schemas.money import plain
from schemas.signals import rfc3339
from sinks.value_verdicts import Finding

FROM_TIMES, TO_TIMES = 4, 3
LEAST_MORE_USD = Decimal(10)
"""Above the median, in 28 days; below it nobody is disturbed."""
SPAN = timedelta(days=28)
_CENT = Decimal("0.01")

PEERS = """
WITH
  things AS
  (
    SELECT c.org AS org, c.outcome_id AS outcome_id, c.user AS user, toString(c.agent) AS agent,
      if(c.artifact = '', c.outcome_id, c.artifact) AS thing, c.value_usd AS value_usd
    FROM outcome_costs AS c
    WHERE NOT c.failed AND c.outcome_type NOT IN ('suggested', 'feedback', 'viewed')
      AND c.ts >= toDateTime64({week:Date} - 28, 6, 'UTC') AND c.ts < toDateTime64({week:Date} + 7, 6, 'UTC')
  ),
  calls AS
  (
    SELECT e.org AS org, arrayJoin([('user', e.user), ('agent', toString(e.agent))]) AS who, toString(e.team) AS team,
      e.ts AS ts, e.spend_class AS spend_class, e.cost_usd AS cost_usd,
      [('task', e.task), ('run', e.run), ('session', e.session), ('call', e.id), ('call', e.operation_id)] AS names
    FROM usage_events AS e
    WHERE e.ts >= toDateTime64({week:Date} - 28, 6, 'UTC') AND e.ts < toDateTime64({week:Date}, 6, 'UTC')
  ),
  brought AS
  (
    SELECT g.org AS org, g.who AS who, toInt64(count()) AS successes, sum(g.usd) AS value_usd
    FROM
    (
      SELECT b.org AS org, b.who AS who, b.thing AS thing, toDecimal128(ifNull(max(b.value_usd), 0), 12) AS usd
      FROM
      (
        SELECT t.org AS org, arrayJoin([('user', t.user), ('agent', t.agent)]) AS who, t.thing AS thing,
          t.value_usd AS value_usd
        FROM things AS t
        UNION ALL
        SELECT n.org AS org, n.who AS who, t.thing AS thing, t.value_usd AS value_usd
        FROM
        (
          SELECT DISTINCT org, who, arrayJoin(names) AS named FROM calls
          WHERE who.2 != '' AND (org, named.1, named.2) IN (SELECT y.org, y.kind, y.key FROM outcome_keys AS y)
        ) AS n
        INNER JOIN outcome_keys AS k ON k.org = n.org AND k.kind = n.named.1 AND k.key = n.named.2
        INNER JOIN things AS t ON t.org = k.org AND t.outcome_id = k.outcome_id
      ) AS b
      WHERE b.who.2 != '' GROUP BY org, who, thing
    ) AS g
    GROUP BY org, who
  ),
  spent AS
  (
    SELECT s.org AS org, s.who AS who, argMax(s.team, s.usd) AS team, sum(s.usd) AS usd, sum(s.free_usd) AS free_usd,
      sum(s.requests) AS requests, sum(s.unpriced) AS unpriced
    FROM
    (
      SELECT m.org AS org, m.who AS who, m.team AS team, sum(m.usd) AS usd,
        sumIf(m.discovery_usd, (m.org, m.team, m.month) IN
          (SELECT a.org, a.team, a.month FROM discovery_allowances AS a WHERE a.beyond_usd = 0)) AS free_usd,
        sum(m.requests) AS requests, sum(m.unpriced) AS unpriced
      FROM
      (
        SELECT org, who, team, toStartOfMonth(toDate(ts, 'UTC')) AS month,
          sum(toDecimal128(ifNull(cost_usd, 0), 12)) AS usd,
          sumIf(toDecimal128(ifNull(cost_usd, 0), 12), spend_class = 'discovery') AS discovery_usd,
          toInt64(count()) AS requests, toInt64(countIf(cost_usd IS NULL)) AS unpriced
        FROM calls WHERE who.2 != '' GROUP BY org, who, team, month
      ) AS m
      GROUP BY org, who, team
    ) AS s
    GROUP BY org, who
  ),
  people AS
  (
    SELECT s.org AS org, s.who AS who, if(d.team != '', d.team, s.team) AS team,
      multiIf(d.cohort != '', concat('cohort ', d.cohort), team IN ('', 'unattributed'), '',
        concat('team ', team)) AS peer_group,
      s.usd - s.free_usd AS usd, s.free_usd AS free_usd, ifNull(b.successes, 0) AS successes,
      ifNull(b.value_usd, toDecimal128(0, 12)) AS value_usd
    FROM spent AS s
    INNER JOIN
    (
      SELECT toString(f.org) AS org, (toString(f.entity_type), toString(f.entity_id)) AS who
      FROM usage_entities_store AS f
      WHERE f.entity_type IN ('user', 'agent') AND f.t < toDateTime({week:Date}, 'UTC')
      GROUP BY org, who HAVING toDate(min(f.t), 'UTC') <= {week:Date} - 28
    ) AS n ON n.org = s.org AND n.who = s.who
    LEFT JOIN
    (
      SELECT toString(v.org) AS org, (toString(v.entity_type), v.entity_id) AS who, argMax(v.cohort, v.since) AS cohort,
        argMax(toString(v.team), v.since) AS team
      FROM directory_store AS v FINAL
      WHERE v.entity_type IN ('user', 'agent') AND v.since < toDateTime({week:Date}, 'UTC') GROUP BY org, who
    ) AS d ON d.org = s.org AND d.who = s.who
    LEFT JOIN brought AS b ON b.org = s.org AND b.who = s.who
    WHERE s.unpriced * 10 <= s.requests
  ),
  groups AS
  (
    SELECT p.org AS org, p.who.1 AS kind, p.peer_group AS peer_group, toInt64(count()) AS members,
      arraySlice(arraySort(groupArray(p.usd)), intDiv(count(), 2), 3) AS middle, sum(p.usd) AS usd,
      sum(p.successes) AS successes, toInt64(countIf(p.successes > 0)) AS successful
    FROM people AS p WHERE p.peer_group != ''
    GROUP BY org, kind, peer_group HAVING members >= 6
  )
SELECT q.org AS org, q.who.1 AS entity_type, q.who.2 AS entity_id, q.team AS team, q.peer_group AS peer_group,
  toDate({week:Date}) AS week, g.members - 1 AS peers, q.usd AS usd, q.free_usd AS free_usd,
  toDecimal128(if(g.members % 2 = 0, if(q.place <= h, g.middle[2], g.middle[1]),
    (if(q.place <= h, g.middle[2], g.middle[1]) + if(q.place <= h + 1, g.middle[3], g.middle[2])) / 2), 12)
    AS median_usd,
  intDiv(g.members, 2) AS h, q.successes AS successes, g.successes - q.successes AS peers_successes,
  g.usd - q.usd AS peers_usd,
  multiIf(
    q.usd < 3 * median_usd, 'allowance',
    q.value_usd >= q.usd
      OR peers_successes > 0 AND 2 * successes * toFloat64(peers_usd) >= peers_successes * toFloat64(q.usd),
    'outcomes_fine',
    2 * (g.successful - (q.successes > 0)) < peers, 'outcomes_unknown',
    '') AS reason
FROM
(
  SELECT *, toInt64(row_number() OVER (PARTITION BY org, who.1, peer_group ORDER BY usd)) AS place FROM people
) AS q
INNER JOIN groups AS g ON g.org = q.org AND g.kind = q.who.1 AND g.peer_group = q.peer_group
WHERE q.usd + q.free_usd >= 3 * median_usd AND q.usd + q.free_usd - median_usd >= 10
  AND q.org IN (SELECT t.org FROM things AS t)
ORDER BY org, entity_type, entity_id
"""
_FINE = {
    "allowance": "an allowance for discovery covers it",
    "outcomes_fine": "what came of it is worth it",
    "outcomes_unknown": "what came of it is not known",
}


def of_peers(row: Mapping[str, Any], *, owner: str | None) -> Finding:
    """A row as a finding; one that is not to be told, with the reason, where value or an allowance explains it."""
    usd, median, reason = row["usd"], row["median_usd"], row["reason"]
    all_usd = usd + row["free_usd"]
    until = datetime.combine(row["week"], time(0), UTC)
    who = f"{row['entity_type']} {row['entity_id']}"
    times = f", {all_usd / median:.1f} times" if median else ", more than"
    theirs = f"{row['peers_successes']} for {_cents(row['peers_usd'])} USD"
    ending = f": not flagged, {_FINE[reason]}" if reason else ", and less came of it: ask what it was for"
    return Finding(
        rule="peer",
        level="explained" if reason else "without_value",
        org=row["org"],
        entity_type=row["entity_type"],
        entity_id=row["entity_id"],
        severity="info" if reason else "warning",
        notify=not reason,
        value=all_usd,
        threshold=FROM_TIMES * median,
        owner=owner,
        evidence={
            "peer_group": row["peer_group"],
            "peers": str(row["peers"]),
            "expected": plain(median),
            **({"score": f"{all_usd / median:.2f}", "fires_at": f"{FROM_TIMES:.2f}"} if median else {}),
            "since": rfc3339(until - SPAN),
            "until": rfc3339(until),
            "discovery_allowed_usd": plain(row["free_usd"]),
            "successes": str(row["successes"]),
            "peers_successes": str(row["peers_successes"]),
            "peers_usd": plain(row["peers_usd"]),
            **({"reason": reason} if reason else {}),
        },
        message=f"{who} cost {_cents(all_usd)} USD in 28 days{times} the median of {row['peers']} others of"
        f" {row['peer_group']} ({_cents(median)}); successes {row['successes']}, theirs {theirs}{ending}",
    )


def costs_enough(found: Finding, *, is_open: bool) -> bool:
    """Four times the median and 10 USD more; three times while it is open."""
    median = Decimal(found.evidence["expected"])
    times = TO_TIMES if is_open else FROM_TIMES
    return found.value >= times * median and found.value - median >= LEAST_MORE_USD


def _cents(usd: Decimal) -> str:
    return f"{usd.quantize(_CENT):,}"
