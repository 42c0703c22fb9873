-- Business cases, allowances for discovery, value quadrants, and how much of the spend says what it is for. Laws:
-- 1. What was promised stands beside what came. Minutes claimed and captured are two figures, never one sum.
-- 2. A quadrant has hysteresis: cost is high from 10 % of the organisation's spend on, until it is below 7 %; value is high
--    from 1.2 times the cost on, until it is below 1.0. Both over 28 days to the end of each week. So nothing flaps.
-- 3. Value is uncertain where fewer than half of the things that came of it have a value: missing is not zero, nor low.
-- Runs in the database of the settings; every statement may be repeated.

CREATE TABLE IF NOT EXISTS value_policies_store
(
  org                  LowCardinality(String),
  kind                 LowCardinality(String),    -- business_case, allowance
  policy_id            String,
  use_case             LowCardinality(String),
  team                 LowCardinality(String),
  owner                String,
  metric               LowCardinality(String),
  starts               Nullable(Date32),
  ends                 Nullable(Date32),
  cost_usd_per_month   Nullable(Decimal(38, 12)),
  value_usd_per_month  Nullable(Decimal(38, 12)),
  minutes_per_month    Nullable(Decimal(38, 12)),
  baseline             Nullable(Decimal(38, 12)),
  target               Nullable(Decimal(38, 12)),
  usd_per_month        Nullable(Decimal(38, 12)),
  policy_offset        UInt64,
  is_deleted           UInt8
)
ENGINE = ReplacingMergeTree(policy_offset, is_deleted)
ORDER BY (org, kind, policy_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- What each use case was promised to cost and bring in a month, and what it did; its metric beside its baseline. A case in
-- whose months nothing was used and nothing came of it has one row without a month.
CREATE OR REPLACE VIEW business_cases AS
SELECT p.org AS org, p.policy_id AS business_case, p.use_case AS use_case, p.owner AS owner, d.month AS month,
  p.cost_usd_per_month AS promised_cost_usd, d.cost_usd AS cost_usd,
  p.value_usd_per_month AS promised_value_usd, d.value_usd AS value_usd,
  p.minutes_per_month AS promised_minutes, d.minutes_claimed AS minutes_claimed, d.minutes_captured AS minutes_captured,
  p.metric AS metric, p.baseline AS baseline, p.target AS target, m.value AS metric_value
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

-- What may be spent on discovery in a month, by team, and what was. Without an allowance allowance_usd is NULL.
CREATE OR REPLACE VIEW discovery_allowances AS
SELECT u.month AS month, u.org AS org, u.team AS team, u.cost_usd AS discovery_usd,
  coalesce(t.usd, e.usd) AS allowance_usd,
  if(allowance_usd IS NULL, NULL, greatest(toDecimal128(0, 12), u.cost_usd - assumeNotNull(allowance_usd))) AS beyond_usd
FROM
(
  SELECT toStartOfMonth(toDate(v.ts, 'UTC')) AS month, v.org AS org, v.team AS team,
    sum(toDecimal128(ifNull(v.cost_usd, 0), 12)) AS cost_usd
  FROM usage_events AS v WHERE v.spend_class = 'discovery' GROUP BY month, org, team
) AS u
LEFT JOIN
(
  SELECT a.org AS org, a.team AS team, arrayJoin(range(toUInt32(toRelativeMonthNum(assumeNotNull(a.starts))),
    toUInt32(ifNull(toRelativeMonthNum(a.ends - 1) + 1, toRelativeMonthNum(toDate('2100-01-01')))))) AS month_number, max(a.usd_per_month) AS usd
  FROM value_policies_store AS a FINAL WHERE a.kind = 'allowance' AND a.team != '' GROUP BY org, team, month_number
) AS t ON t.org = u.org AND t.team = u.team AND t.month_number = toRelativeMonthNum(u.month)
LEFT JOIN
(
  SELECT a.org AS org, arrayJoin(range(toUInt32(toRelativeMonthNum(assumeNotNull(a.starts))),
    toUInt32(ifNull(toRelativeMonthNum(a.ends - 1) + 1, toRelativeMonthNum(toDate('2100-01-01')))))) AS month_number, max(a.usd_per_month) AS usd
  FROM value_policies_store AS a FINAL WHERE a.kind = 'allowance' AND a.team = '' GROUP BY org, month_number
) AS e ON e.org = u.org AND e.month_number = toRelativeMonthNum(u.month);

-- How much of each day's spend says what it is for: a use case, and a task class or purpose. The objective is 95 %.
CREATE OR REPLACE VIEW classification AS
SELECT toDate(e.ts, 'UTC') AS t, e.org AS org, e.team AS team, toInt64(count()) AS requests,
  toInt64(countIf(e.use_case != '')) AS with_use_case, toInt64(countIf(e.task_class != '')) AS with_task_class,
  toInt64(countIf(e.purpose != '')) AS with_purpose,
  toInt64(countIf(e.use_case != '' AND (e.task_class != '' OR e.purpose != ''))) AS classified,
  sum(toDecimal128(ifNull(e.cost_usd, 0), 12)) AS cost_usd,
  sumIf(toDecimal128(ifNull(e.cost_usd, 0), 12), e.use_case != '' AND (e.task_class != '' OR e.purpose != '')) AS classified_usd,
  classified / requests AS classified_ratio,
  toBool(classified >= 0.95 * requests) AS met
FROM usage_events AS e
GROUP BY t, org, team;

-- Each use case at the end of each week: how much of the spend it is, what came of it, and so what to do. Advice: stop (dear,
-- little value), intervene (dear, value not known), keep (dear, worth it), feed (cheap, worth it), watch (cheap, little
-- value), ask (cheap, value not known). Things (changes, tickets, ...) count once, with the last value that was said, and
-- with none if they failed.
CREATE OR REPLACE VIEW value_quadrants AS
WITH
  spent AS
  (
    SELECT u.org AS org, toString(u.use_case) AS use_case, toMonday(u.t) AS week, sum(u.cost_usd) AS cost_usd
    FROM usage_1d_utc AS u GROUP BY org, use_case, week
  ),
  things AS
  (
    SELECT c.org AS org, argMax(toString(c.use_case), c.ts) AS use_case, if(c.artifact = '', c.outcome_id, c.artifact) AS thing,
      toMonday(toDate(max(c.ts), 'UTC')) AS week, max(c.failed) AS has_failed,
      argMaxIf(c.value_usd, c.ts, c.value_usd IS NOT NULL) AS said_usd
    FROM outcome_costs AS c GROUP BY org, thing
  ),
  brought AS
  (
    SELECT h.org AS org, h.use_case AS use_case, h.week AS week, toInt64(count()) AS things,
      toInt64(countIf(h.said_usd IS NOT NULL OR h.has_failed)) AS valued,
      sum(if(h.has_failed, toDecimal128(0, 12), ifNull(h.said_usd, toDecimal128(0, 12)))) AS value_usd
    FROM things AS h GROUP BY org, use_case, week
  ),
  weeks AS
  (
    SELECT k.org AS org, k.use_case AS use_case, k.week AS week, ifNull(s.cost_usd, toDecimal128(0, 12)) AS cost_usd,
      ifNull(b.things, 0) AS things, ifNull(b.valued, 0) AS valued, ifNull(b.value_usd, toDecimal128(0, 12)) AS value_usd
    FROM (SELECT org, use_case, week FROM spent UNION DISTINCT SELECT org, use_case, week FROM brought) AS k
    LEFT JOIN spent AS s ON s.org = k.org AND s.use_case = k.use_case AND s.week = k.week
    LEFT JOIN brought AS b ON b.org = k.org AND b.use_case = k.use_case AND b.week = k.week
  ),
  months AS
  (
    SELECT org, use_case, week,
      sum(cost_usd) OVER four AS cost_usd, sum(things) OVER four AS things, sum(valued) OVER four AS valued, sum(value_usd) OVER four AS value_usd
    FROM weeks
    WINDOW four AS (PARTITION BY org, use_case ORDER BY toInt64(toRelativeWeekNum(week)) RANGE BETWEEN 3 PRECEDING AND CURRENT ROW)
  ),
  orgs AS
  (
    SELECT o.org AS org, o.week AS week,
      sum(o.cost_usd) OVER (PARTITION BY o.org ORDER BY toInt64(toRelativeWeekNum(o.week)) RANGE BETWEEN 3 PRECEDING AND CURRENT ROW) AS org_usd
    FROM (SELECT org, week, sum(cost_usd) AS cost_usd FROM weeks GROUP BY org, week) AS o
  ),
  lines AS
  (
    SELECT m.org AS org, m.use_case AS use_case,
      arraySort(line -> line.1, groupArray((m.week, m.cost_usd, g.org_usd, m.things, m.valued, m.value_usd))) AS history
    FROM months AS m
    INNER JOIN orgs AS g ON g.org = m.org AND g.week = m.week
    WHERE m.use_case != ''
    GROUP BY org, use_case
  ),
  judged AS
  (
    SELECT l.org AS org, l.use_case AS use_case,
      arrayJoin(arrayZip(
        l.history,
        arrayPopFront(arrayFold((held, line) -> arrayPushBack(held, toUInt8(multiIf(
          line.2 * 10 >= line.3 AND line.2 > 0, 1, line.2 * 100 < line.3 * 7, 0, held[-1]))), l.history, [toUInt8(0)])),
        arrayPopFront(arrayFold((held, line) -> arrayPushBack(held, toUInt8(multiIf(
          line.5 = 0 OR line.5 * 2 < line.4, held[-1], line.6 * 5 >= line.2 * 6 AND line.6 > 0, 1, line.6 < line.2, 0, held[-1]))), l.history, [toUInt8(0)])))) AS line
    FROM lines AS l
  )
SELECT toDate(j.line.1.1) AS week, j.org AS org, j.use_case AS use_case, p.owner AS owner,
  j.line.1.2 AS cost_usd, if(j.line.1.3 > 0, toFloat64(j.line.1.2) / toFloat64(j.line.1.3), NULL) AS cost_to_org_ratio,
  j.line.1.4 AS things, j.line.1.5 AS valued, if(j.line.1.5 = 0, NULL, j.line.1.6) AS value_usd,
  if(j.line.2 = 1, 'high', 'low') AS cost_is,
  multiIf(j.line.1.5 = 0 OR j.line.1.5 * 2 < j.line.1.4, 'uncertain', j.line.3 = 1, 'high', 'low') AS value_is,
  multiIf(
    cost_is = 'high' AND value_is = 'low', 'stop', cost_is = 'high' AND value_is = 'uncertain', 'intervene', cost_is = 'high', 'keep',
    value_is = 'high', 'feed', value_is = 'low', 'watch', 'ask') AS advice
FROM judged AS j
LEFT JOIN
(
  SELECT v.org AS org, v.use_case AS use_case, argMax(v.owner, v.policy_offset) AS owner
  FROM value_policies_store AS v FINAL WHERE v.kind = 'business_case' AND v.owner != '' GROUP BY org, use_case
) AS p ON p.org = j.org AND p.use_case = j.use_case;
