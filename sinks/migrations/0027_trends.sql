-- Trends and habits: what a success takes week by week, which models work is done with, where quality fell; business cases
-- that say from when to when they hold; rushes at the end of commitments. Laws:
-- 1. Missing is not zero: without a week before, or too few cases, there is no ratio and no finding.
-- 2. Nobody is named: habits are counted in teams of at least five people.
-- Runs in the database of the settings; every statement may be repeated.

-- What a success takes, week by week, failures included: tokens and USD, and both beside the week before.
CREATE OR REPLACE VIEW efficiency AS
SELECT w.week AS week, w.org AS org, w.use_case AS use_case, w.outcome_type AS outcome_type, w.outcomes AS outcomes,
  w.succeeded AS succeeded, w.tokens AS tokens, w.cost_usd AS cost_usd, w.tokens_per_success AS tokens_per_success,
  if(w.succeeded > 0, w.cost_usd / greatest(w.succeeded, 1), NULL) AS usd_per_success,
  if(lagInFrame(w.week) OVER before = w.week - 7, w.tokens_per_success / lagInFrame(w.tokens_per_success) OVER before, NULL)
    AS tokens_to_week_before_ratio
FROM
(
  SELECT toMonday(toDate(c.ts, 'UTC')) AS week, c.org AS org, c.use_case AS use_case, c.outcome_type AS outcome_type,
    toInt64(count()) AS outcomes, toInt64(countIf(NOT c.failed)) AS succeeded, sum(c.tokens) AS tokens,
    sum(c.cost_usd) AS cost_usd,
    if(succeeded > 0, tokens / greatest(succeeded, 1), NULL) AS tokens_per_success
  FROM outcome_costs AS c
  WHERE c.requests > 0
  GROUP BY week, org, use_case, outcome_type
) AS w
WINDOW before AS (PARTITION BY w.org, w.use_case, w.outcome_type ORDER BY w.week ROWS BETWEEN 1 PRECEDING AND CURRENT ROW);

-- Which models each kind of work is done with: its share of the money, how often another model answered than was asked for,
-- and, where a cheaper one was measured to do as well (routing_advice), which.
CREATE OR REPLACE VIEW model_mix AS
SELECT m.month AS month, m.org AS org, m.use_case AS use_case, m.task_class AS task_class, m.model AS model,
  m.requests AS requests, m.rerouted_requests AS rerouted_requests, m.cost_usd AS cost_usd,
  if(sum(m.cost_usd) OVER (PARTITION BY m.month, m.org, m.use_case, m.task_class) = 0, NULL,
    toFloat64(m.cost_usd) / toFloat64(sum(m.cost_usd) OVER (PARTITION BY m.month, m.org, m.use_case, m.task_class))) AS cost_share,
  a.cheaper_model AS cheaper_model
FROM
(
  SELECT toStartOfMonth(toDate(e.ts, 'UTC')) AS month, e.org AS org, toString(e.use_case) AS use_case,
    toString(e.task_class) AS task_class, toString(e.model) AS model, toInt64(count()) AS requests,
    toInt64(countIf(e.requested_model != '' AND NOT startsWith(e.model, e.requested_model))) AS rerouted_requests,
    sum(toDecimal128(ifNull(e.cost_usd, 0), 12)) AS cost_usd
  FROM usage_events AS e
  GROUP BY month, org, use_case, task_class, model
) AS m
LEFT JOIN
(
  SELECT r.org AS org, r.use_case AS use_case, r.task_class AS task_class, r.model AS model, min(r.cheaper_model) AS cheaper_model
  FROM routing_advice AS r GROUP BY org, use_case, task_class, model
) AS a ON a.org = m.org AND a.use_case = m.use_case AND a.task_class = m.task_class AND a.model = m.model;

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

-- Where volume may be performed instead of used; the laws of 0023 hold.
CREATE OR REPLACE VIEW performing AS
WITH
  days AS
  (
    SELECT e.org AS org, e.team AS team, toDate(e.ts, 'UTC') AS day,
      toInt64(sum(ifNull(e.input_tokens, 0) + ifNull(e.output_tokens, 0))) AS tokens,
      toInt64(sumIf(ifNull(e.input_tokens, 0) + ifNull(e.output_tokens, 0),
        e.use_case = '' AND e.task = '' AND e.run = '' AND e.purpose = '')) AS off_task,
      groupUniqArray(e.user) AS users,
      sum(toDecimal128(ifNull(e.cost_usd, 0), 12)) AS cost_usd
    FROM usage_events AS e
    WHERE e.spend_class != 'discovery' AND e.team != ''
    GROUP BY org, team, day
  ),
  things AS
  (
    SELECT c.org AS org, c.team AS team, toDate(min(c.ts), 'UTC') AS day, if(c.artifact = '', c.outcome_id, c.artifact) AS thing
    FROM outcome_costs AS c WHERE NOT c.failed AND c.outcome_type NOT IN ('suggested', 'feedback', 'viewed')
    GROUP BY org, team, thing
  ),
  newest AS
  (
    SELECT t.org AS org, max(t.day) AS day FROM things AS t GROUP BY org
  ),
  all_days AS
  (
    SELECT k.org AS org, k.team AS team, k.day AS day, sum(k.tokens) AS tokens, sum(k.off_task) AS off_task,
      sum(k.cost_usd) AS cost_usd, sum(k.successes) AS successes, arrayDistinct(arrayFlatten(groupArray(k.users))) AS users
    FROM
    (
      SELECT d.org AS org, d.team AS team, d.day AS day, d.tokens AS tokens, d.off_task AS off_task, d.cost_usd AS cost_usd,
        toInt64(0) AS successes, arrayFilter(name -> name != '', d.users) AS users
      FROM days AS d
      UNION ALL
      SELECT t.org AS org, t.team AS team, t.day AS day, toInt64(0) AS tokens, toInt64(0) AS off_task,
        toDecimal128(0, 12) AS cost_usd, toInt64(count()) AS successes, [] AS users
      FROM things AS t GROUP BY org, team, day
    ) AS k
    GROUP BY org, team, day
  ),
  ends AS
  (
    -- Months, and periods of commitments: whoever has promised to spend may hurry to (requirement R8). Days are of UTC.
    SELECT DISTINCT a.org AS org, '' AS team, arrayJoin([toStartOfMonth(a.day), toStartOfMonth(a.day - 3)]) AS begins,
      toStartOfMonth(begins + 40) AS ends
    FROM all_days AS a
    UNION DISTINCT
    SELECT b.org AS org, toString(v.team) AS team, greatest(toDate(b.period_start, 'UTC'), toDate(b.period_end, 'UTC') - 31) AS begins,
      toDate(b.period_end, 'UTC') AS ends
    FROM budget_states AS b
    INNER JOIN value_policies_store AS v FINAL ON v.org = b.org AND v.policy_id = b.budget_id
    WHERE v.kind = 'commitment'
  ),
  months AS
  (
    -- The last three days of a period beside those before; what comes of them may come three days later.
    SELECT a.org AS org, a.team AS team, p.ends AS ends, greatest(min(p.begins), min(a.day)) AS month,
      toFloat64(quantileExactIf(0.5)(a.tokens, a.tokens > 0 AND a.day < ends - 3)) AS usual,
      toInt64(countIf(a.tokens > 0 AND a.day < ends - 3)) AS usual_days,
      toFloat64(sumIf(a.tokens, a.day >= ends - 3 AND a.day < ends)) / greatest(countIf(a.tokens > 0 AND a.day >= ends - 3 AND a.day < ends), 1) AS now,
      toInt64(sumIf(a.successes, a.day < ends - 3)) AS usual_sum,
      usual_sum / dateDiff('day', month, ends - 3) AS usual_successes,
      toInt64(sumIf(a.successes, a.day >= ends - 3)) / 6 AS now_successes,
      sumIf(a.cost_usd, a.day >= ends - 3 AND a.day < ends) AS cost_usd,
      length(arrayDistinct(arrayFlatten(groupArray(a.users)))) AS people
    FROM all_days AS a
    INNER JOIN (SELECT e.org AS org, e.team AS team, e.ends AS ends, min(e.begins) AS begins FROM ends AS e GROUP BY org, team, ends) AS p
      ON p.org = a.org
    WHERE p.team IN ('', a.team) AND a.day >= p.begins AND a.day < p.ends + 3
    GROUP BY org, team, ends
  ),
  weeks AS
  (
    SELECT w.org AS org, w.team AS team, w.week AS week,
      w.tokens AS now, w.successes AS now_successes, w.cost_usd AS cost_usd, length(w.users) AS people,
      avg(w.tokens) OVER four AS usual, avg(w.successes) OVER four AS usual_successes, sum(w.successes) OVER four AS usual_sum,
      count() OVER four AS usual_weeks
    FROM
    (
      SELECT org, team, toMonday(day) AS week, sum(tokens) AS tokens, sum(successes) AS successes, sum(cost_usd) AS cost_usd,
        arrayDistinct(arrayFlatten(groupArray(users))) AS users
      FROM all_days GROUP BY org, team, week
    ) AS w
    WINDOW four AS (PARTITION BY w.org, w.team ORDER BY toInt64(toRelativeWeekNum(w.week)) RANGE BETWEEN 4 PRECEDING AND 1 PRECEDING)
  ),
  bursts AS
  (
    SELECT b.org AS org, b.team AS team, b.day AS day, b.off_task AS now, b.tokens AS tokens, b.cost_usd AS cost_usd,
      quantileExact(0.5)(b.off_task) OVER two AS usual, sum(b.off_task) OVER two AS usual_off, sum(b.tokens) OVER two AS usual_tokens,
      count() OVER two AS usual_days,
      length(arrayDistinct(arrayFlatten(groupArray(b.users) OVER two_and_today))) AS people
    FROM all_days AS b
    WHERE b.tokens > 0
    WINDOW
      two AS (PARTITION BY b.org, b.team ORDER BY toInt64(toRelativeDayNum(b.day)) RANGE BETWEEN 14 PRECEDING AND 1 PRECEDING),
      two_and_today AS (PARTITION BY b.org, b.team ORDER BY toInt64(toRelativeDayNum(b.day)) RANGE BETWEEN 14 PRECEDING AND CURRENT ROW)
  )
SELECT f.org AS org, f.team AS team, f.kind AS kind, 'possible' AS evidence, f.since AS since, f.until AS until,
  f.now AS tokens, f.usual AS usual_tokens, f.now_successes AS successes, f.usual_successes AS usual_successes,
  f.cost_usd AS cost_usd
FROM
(
  SELECT m.org AS org, m.team AS team, 'period_end_rush' AS kind, m.ends - 3 AS since, m.ends AS until, m.now AS now, m.usual AS usual,
    toNullable(m.now_successes) AS now_successes, toNullable(m.usual_successes) AS usual_successes, m.cost_usd AS cost_usd
  FROM months AS m
  INNER JOIN newest AS n ON n.org = m.org
  WHERE m.usual_days >= 10 AND m.now >= 2 * m.usual AND m.usual_sum >= 5 AND m.now_successes <= 1.2 * m.usual_successes
    AND m.people >= 5 AND n.day >= m.ends + 7
  UNION ALL
  SELECT w.org AS org, w.team AS team, 'volume_up_outcomes_flat' AS kind, w.week AS since, w.week + 7 AS until,
    toFloat64(w.now) AS now, w.usual AS usual, toNullable(toFloat64(w.now_successes)) AS now_successes,
    toNullable(w.usual_successes) AS usual_successes, w.cost_usd AS cost_usd
  FROM weeks AS w
  INNER JOIN newest AS n ON n.org = w.org
  WHERE w.usual_weeks = 4 AND w.now >= 1.5 * w.usual AND w.usual_sum >= 10 AND w.now_successes <= 1.1 * w.usual_successes
    AND w.people >= 5 AND n.day >= w.week + 14
  UNION ALL
  SELECT b.org AS org, b.team AS team, 'off_task_burst' AS kind, b.day AS since, b.day + 1 AS until, toFloat64(b.now) AS now,
    toFloat64(b.usual) AS usual, CAST(NULL, 'Nullable(Float64)') AS now_successes,
    CAST(NULL, 'Nullable(Float64)') AS usual_successes, b.cost_usd AS cost_usd
  FROM bursts AS b
  WHERE b.usual_days >= 7 AND b.now >= 3 * b.usual AND b.now * 10 >= b.tokens * 3 AND b.usual_off * 10 <= b.usual_tokens
    AND b.people >= 5
) AS f;
