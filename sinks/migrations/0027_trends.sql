-- Habits, falls of quality, and business cases that say from when to when they hold. Laws:
-- 1. Missing is not zero: without a week before, or too few cases, there is no ratio and no finding.
-- 2. Nobody is named: habits are counted in teams of at least five people.
-- Runs in the database of the settings; every statement may be repeated.

-- How many people of a team do different kinds of work (two task classes, 20 calls or more in a month) with one model alone
-- (nine calls of ten), where the team uses others, too: habit, perhaps. Five such people or more, and none is named.
CREATE OR REPLACE VIEW model_affinity AS
SELECT p.month AS month, p.org AS org, p.team AS team, toInt64(count()) AS people,
  toInt64(countIf(p.most * 10 >= p.calls * 9)) AS of_one_model, of_one_model / people AS of_one_model_ratio,
  toInt64(length(arrayDistinct(arrayFlatten(groupArray(p.models))))) AS models
FROM
(
  SELECT u.month AS month, u.org AS org, u.team AS team, u.user AS user, sum(u.calls) AS calls, max(u.calls) AS most,
    groupArray(u.model) AS models, length(arrayDistinct(arrayFlatten(groupArray(u.classes)))) AS classes
  FROM
  (
    SELECT toStartOfMonth(toDate(e.ts, 'UTC')) AS month, e.org AS org, toString(e.team) AS team, e.user AS user,
      toString(e.model) AS model, toInt64(count()) AS calls, groupUniqArrayIf(toString(e.task_class), e.task_class != '') AS classes
    FROM usage_events AS e
    WHERE e.user != '' AND e.team != '' AND e.model != '' AND e.spend_class != 'discovery'
    GROUP BY month, org, team, user, model
  ) AS u
  GROUP BY month, org, team, user
  HAVING calls >= 20 AND classes >= 2
) AS p
GROUP BY month, org, team
HAVING people >= 5 AND models >= 2;

-- Where fewer outcomes were accepted, or more needed a person or left the usual way, than in the four weeks before: 28 days
-- to the end of each week, at least 20 known cases on both sides, and intervals (Wilson, 95 %) that do not touch.
CREATE OR REPLACE VIEW quality_drops AS
WITH
  known AS
  (
    SELECT o.org AS org, toString(o.use_case) AS use_case, toString(o.outcome_type) AS outcome_type,
      toMonday(toDate(o.ts, 'UTC')) AS week, said.1 AS what, toInt64(count()) AS cases, toInt64(countIf(said.2 = 1)) AS bad
    FROM
    (
      SELECT *, arrayJoin(arrayFilter(one -> one.2 IS NOT NULL, [
        ('rejected', if(accepted IS NULL, NULL, toUInt8(NOT accepted))), ('intervention', toNullable(toUInt8(intervention))),
        ('exception', toNullable(toUInt8(exception)))])) AS said
      FROM outcomes WHERE outcome_type NOT IN ('metric', 'security_finding')
    ) AS o
    GROUP BY org, use_case, outcome_type, week, what
  ),
  beside AS
  (
    SELECT org, use_case, outcome_type, week, what, sum(cases) OVER four AS n1, sum(bad) OVER four AS x1,
      sum(cases) OVER earlier AS n0, sum(bad) OVER earlier AS x0
    FROM known
    WINDOW
      four AS (PARTITION BY org, use_case, outcome_type, what ORDER BY toInt64(toRelativeWeekNum(week)) RANGE BETWEEN 3 PRECEDING AND CURRENT ROW),
      earlier AS (PARTITION BY org, use_case, outcome_type, what ORDER BY toInt64(toRelativeWeekNum(week)) RANGE BETWEEN 7 PRECEDING AND 4 PRECEDING)
  )
SELECT b.week AS week, b.org AS org, b.use_case AS use_case, b.outcome_type AS outcome_type, b.what AS what, b.n1 AS cases,
  b.x1 / b.n1 AS ratio, b.n0 AS cases_before, b.x0 / b.n0 AS ratio_before
FROM beside AS b
WHERE b.n1 >= 20 AND b.n0 >= 20
  AND (ratio + 3.841459 / (2 * n1) - 1.959964 * sqrt(ratio * (1 - ratio) / n1 + 3.841459 / (4 * n1 * n1))) / (1 + 3.841459 / n1)
    > (ratio_before + 3.841459 / (2 * n0) + 1.959964 * sqrt(ratio_before * (1 - ratio_before) / n0 + 3.841459 / (4 * n0 * n0))) / (1 + 3.841459 / n0);

-- What each use case was promised to cost and bring in a month, and what it did; its metric beside its baseline. A case in
-- whose months nothing was used and nothing came of it has one row without a month.
CREATE OR REPLACE VIEW business_cases AS
SELECT p.org AS org, p.policy_id AS business_case, p.use_case AS use_case, p.owner AS owner, d.month AS month,
  p.cost_usd_per_month AS promised_cost_usd, d.cost_usd AS cost_usd,
  p.value_usd_per_month AS promised_value_usd, d.value_usd AS value_usd,
  p.minutes_per_month AS promised_minutes, d.minutes_claimed AS minutes_claimed, d.minutes_captured AS minutes_captured,
  p.metric AS metric, p.baseline AS baseline, p.target AS target, m.value AS metric_value, p.starts AS starts, p.ends AS ends
FROM
(
  SELECT v.org AS org, v.policy_id AS policy_id, v.use_case AS use_case, v.owner AS owner, v.starts AS starts, v.ends AS ends,
    v.cost_usd_per_month AS cost_usd_per_month, v.value_usd_per_month AS value_usd_per_month,
    v.minutes_per_month AS minutes_per_month, v.metric AS metric, v.baseline AS baseline, v.target AS target
  FROM value_policies_store AS v FINAL WHERE v.kind = 'business_case'
) AS p
LEFT JOIN
(
  SELECT c.org AS org, c.policy_id AS policy_id, toNullable(w.month) AS month, toNullable(w.cost_usd) AS cost_usd, w.value_usd AS value_usd,
    w.minutes_claimed AS minutes_claimed, w.minutes_captured AS minutes_captured
  FROM value_policies_store AS c FINAL
  INNER JOIN value_dashboard AS w ON w.org = c.org AND w.use_case = c.use_case
  WHERE c.kind = 'business_case' AND w.month >= toStartOfMonth(c.starts) AND (c.ends IS NULL OR w.month < c.ends)
) AS d ON d.org = p.org AND d.policy_id = p.policy_id
LEFT JOIN
(
  SELECT x.org AS org, x.use_case AS use_case, x.metric AS metric, toStartOfMonth(toDate(ifNull(x.period_from, toDate32(x.ts)))) AS month,
    argMax(x.value, x.ts) AS value
  FROM metrics AS x GROUP BY org, use_case, metric, month
) AS m ON m.org = p.org AND m.use_case = p.use_case AND m.metric = p.metric AND m.month = d.month;
