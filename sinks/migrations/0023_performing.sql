-- Where volume may be performed instead of used (Goodhart), routing of capacity, caches, cohorts. Laws:
-- 1. Nobody is named: findings are about teams in which at least five people used something, as cohorts are.
-- 2. Discovery is left out: it has allowances (discovery_allowances). What a milestone needs shows in its outcomes.
-- 3. Volume is judged only beside outcomes: where none are known, or they may still come (the organisation's newest is not a
--    week older than the period's end), there is no finding. All of it is possible, never proven: ask, don't accuse.
-- Runs in the database of the settings; every statement may be repeated.

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
  months AS
  (
    -- The last three days of a month beside those before; what comes of them may come three days later.
    SELECT a.org AS org, a.team AS team, m AS month, toStartOfMonth(m + 40) AS ends,
      toFloat64(quantileExactIf(0.5)(a.tokens, a.tokens > 0 AND a.day < ends - 3)) AS usual,
      toInt64(countIf(a.tokens > 0 AND a.day < ends - 3)) AS usual_days,
      toFloat64(sumIf(a.tokens, a.day >= ends - 3 AND a.day < ends)) / greatest(countIf(a.tokens > 0 AND a.day >= ends - 3 AND a.day < ends), 1) AS now,
      toInt64(sumIf(a.successes, a.day < ends - 3)) AS usual_sum,
      usual_sum / dateDiff('day', month, ends - 3) AS usual_successes,
      toInt64(sumIf(a.successes, a.day >= ends - 3)) / 6 AS now_successes,
      sumIf(a.cost_usd, a.day >= ends - 3 AND a.day < ends) AS cost_usd,
      length(arrayDistinct(arrayFlatten(groupArray(a.users)))) AS people
    FROM (SELECT *, arrayJoin(arrayDistinct([toStartOfMonth(day), toStartOfMonth(day - 3)])) AS m FROM all_days) AS a
    GROUP BY org, team, month
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

-- Groups of people by the tag `cohort` that they chose to carry; below five people a month there is no row.
CREATE OR REPLACE VIEW cohorts AS
SELECT toStartOfMonth(toDate(e.ts, 'UTC')) AS month, e.org AS org, e.tags['cohort'] AS cohort,
  toInt64(uniqExact(e.user)) AS people, toInt64(count()) AS requests, sum(toDecimal128(ifNull(e.cost_usd, 0), 12)) AS cost_usd,
  toInt64(countIf(e.status = 'error')) AS errors,
  toInt64(countIf(e.request_kind = 'regenerate')) AS regenerations
FROM usage_events AS e
WHERE e.tags['cohort'] != '' AND e.user != ''
GROUP BY month, org, cohort
HAVING people >= 5;

-- What the caches of providers hold: of all input that a cache could have held, how much came from it and how much was put
-- into it.
CREATE OR REPLACE VIEW cache_use AS
SELECT u.t AS t, u.org AS org, u.team AS team, u.use_case AS use_case, u.provider AS provider, u.model AS model,
  sum(u.requests) AS requests, sum(u.input_tokens - u.input_audio_tokens - u.input_image_tokens) AS input_tokens,
  sum(u.input_cache_read_tokens) AS read_tokens,
  sum(u.input_cache_write_5m_tokens + u.input_cache_write_30m_tokens + u.input_cache_write_1h_tokens
    + u.input_cache_write_12h_tokens + u.input_cache_write_other_tokens) AS written_tokens,
  if(input_tokens > 0, read_tokens / input_tokens, NULL) AS read_to_input_ratio
FROM usage_1d_utc AS u
GROUP BY t, org, team, use_case, provider, model;

-- Who fills the busiest hours (the busiest 5 % of a month's hours): if what is worth little does, capacity is bought for it.
CREATE OR REPLACE VIEW peak_share AS
WITH
  hours AS
  (
    SELECT u.org AS org, toStartOfMonth(toDate(u.t, 'UTC')) AS month, u.t AS t, toString(u.use_case) AS use_case,
      toInt64(sum(u.input_tokens + u.output_tokens)) AS tokens
    FROM usage_1h AS u GROUP BY org, month, t, use_case
  ),
  peaks AS
  (
    SELECT h.org AS org, h.month AS month, quantileExact(0.95)(h.tokens) AS least
    FROM (SELECT org, month, t, sum(tokens) AS tokens FROM hours GROUP BY org, month, t) AS h
    GROUP BY org, month
  ),
  marked AS
  (
    SELECT h.org AS org, h.month AS month, h.use_case AS use_case, h.tokens AS tokens,
      sum(h.tokens) OVER (PARTITION BY h.org, h.t) >= p.least AS is_peak
    FROM hours AS h INNER JOIN peaks AS p ON p.org = h.org AND p.month = h.month
  )
SELECT m.month AS month, m.org AS org, m.use_case AS use_case, any(q.value_is) AS value_is,
  sum(m.tokens) AS tokens, sumIf(m.tokens, m.is_peak) AS peak_tokens,
  sum(sum(m.tokens)) OVER (PARTITION BY m.org, m.month) AS org_tokens,
  sum(sumIf(m.tokens, m.is_peak)) OVER (PARTITION BY m.org, m.month) AS org_peak_tokens,
  if(org_tokens > 0, tokens / org_tokens, NULL) AS share, if(org_peak_tokens > 0, peak_tokens / org_peak_tokens, NULL) AS peak_share
FROM marked AS m
LEFT JOIN
(
  SELECT v.org AS org, v.use_case AS use_case, toStartOfMonth(v.week) AS month, argMax(v.value_is, v.week) AS value_is
  FROM value_quadrants AS v GROUP BY org, use_case, month
) AS q ON q.org = m.org AND q.use_case = m.use_case AND q.month = m.month
GROUP BY month, org, use_case;

-- What ran on machines of one's own, and what its tokens would have cost at the price that the same work was measured to
-- have in the cloud; NULL where the cloud did none of it.
CREATE OR REPLACE VIEW local_offload AS
SELECT o.month AS month, o.org AS org, o.use_case AS use_case, o.task_class AS task_class,
  o.local_requests AS local_requests, o.local_tokens AS local_tokens, o.local_usd AS local_usd, o.local_unpriced AS local_unpriced_requests,
  o.cloud_tokens AS cloud_tokens, o.cloud_usd AS cloud_usd,
  if(o.cloud_tokens > 0, toDecimal128(toDecimal256(intDiv(
    toInt256(o.local_tokens) * toInt256(o.cloud_usd * 1000000000000), greatest(toInt256(o.cloud_tokens), toInt256(1))), 12) / 1000000000000, 12), NULL) AS local_at_cloud_price_usd,
  if(o.local_unpriced > 0, NULL, local_at_cloud_price_usd - o.local_usd) AS saved_usd
FROM
(
  SELECT toStartOfMonth(toDate(e.ts, 'UTC')) AS month, e.org AS org, e.use_case AS use_case, e.task_class AS task_class,
    toInt64(countIf(e.is_local)) AS local_requests,
    toInt64(sumIf(ifNull(e.input_tokens, 0) + ifNull(e.output_tokens, 0), e.is_local)) AS local_tokens,
    sumIf(toDecimal128(ifNull(e.cost_usd, 0), 12), e.is_local) AS local_usd,
    toInt64(countIf(e.is_local AND e.cost_usd IS NULL)) AS local_unpriced,
    toInt64(sumIf(ifNull(e.input_tokens, 0) + ifNull(e.output_tokens, 0), NOT e.is_local AND e.cost_usd IS NOT NULL)) AS cloud_tokens,
    sumIf(toDecimal128(ifNull(e.cost_usd, 0), 12), NOT e.is_local) AS cloud_usd
  FROM (SELECT *, hosting IN ('local', 'self') AS is_local FROM usage_events) AS e
  GROUP BY month, org, use_case, task_class
  HAVING local_requests > 0
) AS o;
