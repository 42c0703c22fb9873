-- What was wrong in the views of value, mended (otherwise they are those of 0017, 0021, 0022 and 0023); trends. Laws:
-- 1. A call is joined by its id and by its operation, by both at once: that somebody names the one takes nothing from who
--    named the other.
-- 2. Outcomes of one type about one artifact are one outcome: the last with a verdict stands (of the same time that with the
--    highest id), with all that the artifact is joined by and the last value and minutes that were said. So two approvals are one success.
-- 3. A review that refused is no failure of a change that was merged or released after all.
-- 4. Nobody is told to stop what brings its cost: value is high from the cost on, until it is below nine tenths of it.
-- 5. Weeks in which nothing happened are judged, too, while anything of the 28 days to their end is left.
-- 6. A duplicate is proven only of a caller who is known (a user, an end user, a session or a run), the same in all of
--    these and in credential and agent, whose first answer nobody refused.
-- Runs in the database of the settings; every statement may be repeated.

-- How each outcome is joined to usage. Metrics and findings are not: they are about use cases and changes.
CREATE OR REPLACE VIEW outcome_keys AS
WITH
  own AS
  (
    SELECT o.org AS org, o.outcome_id AS outcome_id, o.outcome_type AS outcome_type, o.artifact AS artifact,
      o.stands AS stands, arrayJoin(arrayFilter(pair -> pair.2 != '', [
        ('task', o.task), ('run', o.run), ('session', o.session), ('call', o.call), ('task', o.artifact)])) AS joined_by
    FROM
    (
      SELECT *, row_number() OVER (PARTITION BY n.org, n.outcome_type, n.artifact, if(n.artifact = '', n.outcome_id, '')
        ORDER BY n.accepted IS NULL, n.ts DESC, n.outcome_id DESC) = 1 AS stands
      FROM
      (
        -- As in the view outcomes, with these columns only: this is asked for several times in one question.
        SELECT r.org AS org, r.outcome_id AS outcome_id, r.outcome_type AS outcome_type, r.artifact AS artifact, r.ts AS ts,
          r.task AS task, r.run AS run, r.session AS session, r.call AS call, r.accepted AS accepted, r.void AS void
        FROM outcome_revisions_store AS r
        ORDER BY r.outcome_id, r.revision DESC LIMIT 1 BY r.outcome_id
      ) AS n
      WHERE NOT n.void AND n.outcome_type NOT IN ('metric', 'security_finding')
    ) AS o
  )
SELECT org, outcome_id, outcome_type, joined_by.1 AS kind, joined_by.2 AS key FROM own WHERE stands
UNION DISTINCT
SELECT made.org AS org, made.outcome_id AS outcome_id, made.outcome_type AS outcome_type, other.joined_by.1 AS kind,
  other.joined_by.2 AS key
FROM (SELECT DISTINCT org, outcome_id, outcome_type, artifact FROM own WHERE artifact != '' AND stands) AS made
INNER JOIN (SELECT DISTINCT org, artifact, joined_by FROM own WHERE artifact != '') AS other
  ON made.org = other.org AND made.artifact = other.artifact;

-- The spend of each outcome by the team, use case and model of the usage, as 0017 says.
CREATE OR REPLACE VIEW outcome_spend AS
WITH
  spend AS
  (
    SELECT e.org AS org, e.team AS team, e.use_case AS use_case, e.model AS model, e.task AS task, e.run AS run,
      e.session AS session,
      if((e.org, 'call', e.id) IN (SELECT k.org, k.kind, k.key FROM outcome_keys AS k), e.id, '') AS call,
      if((e.org, 'call', e.operation_id) IN (SELECT k.org, k.kind, k.key FROM outcome_keys AS k), e.operation_id, '') AS attempt_of,
      toInt64(count()) AS requests,
      toInt64(countIf(e.cost_usd IS NULL)) AS unpriced_requests,
      toInt64(sum(ifNull(e.input_tokens, 0) + ifNull(e.output_tokens, 0))) AS tokens,
      sum(toDecimal128(ifNull(e.cost_usd, 0), 12)) AS cost_usd
    FROM usage_events AS e
    WHERE (e.org, 'task', e.task) IN (SELECT k.org, k.kind, k.key FROM outcome_keys AS k)
      OR (e.org, 'run', e.run) IN (SELECT k.org, k.kind, k.key FROM outcome_keys AS k)
      OR (e.org, 'session', e.session) IN (SELECT k.org, k.kind, k.key FROM outcome_keys AS k)
      OR (e.org, 'call', e.id) IN (SELECT k.org, k.kind, k.key FROM outcome_keys AS k)
      OR (e.org, 'call', e.operation_id) IN (SELECT k.org, k.kind, k.key FROM outcome_keys AS k)
    GROUP BY org, team, use_case, model, task, run, session, call, attempt_of
  ),
  led_to AS
  (
    SELECT DISTINCT s.org AS org, s.team AS team, s.use_case AS use_case, s.model AS model, s.task AS task, s.run AS run,
      s.session AS session, s.call AS call, s.attempt_of AS attempt_of, s.requests AS requests, s.unpriced_requests AS unpriced_requests,
      s.tokens AS tokens, s.cost_usd AS cost_usd, k.outcome_id AS outcome_id, k.outcome_type AS outcome_type
    FROM
    (
      SELECT *, arrayJoin([('task', task), ('run', run), ('session', session), ('call', call), ('call', attempt_of)]) AS named FROM spend
    ) AS s
    INNER JOIN outcome_keys AS k ON s.org = k.org AND s.named.1 = k.kind AND s.named.2 = k.key
  ),
  shared AS
  (
    SELECT *,
      toInt64(count() OVER (PARTITION BY org, team, use_case, model, task, run, session, call, attempt_of, outcome_type)) AS sharing,
      toInt64(row_number() OVER (PARTITION BY org, team, use_case, model, task, run, session, call, attempt_of, outcome_type ORDER BY outcome_id)) AS nth
    FROM led_to
  )
SELECT h.org AS org, h.outcome_id AS outcome_id, h.outcome_type AS outcome_type, h.team AS team, h.use_case AS use_case,
  h.model AS model,
  sum(intDiv(h.requests * h.nth, h.sharing) - intDiv(h.requests * (h.nth - 1), h.sharing)) AS requests,
  sum(intDiv(h.unpriced_requests * h.nth, h.sharing) - intDiv(h.unpriced_requests * (h.nth - 1), h.sharing)) AS unpriced_requests,
  sum(intDiv(h.tokens * h.nth, h.sharing) - intDiv(h.tokens * (h.nth - 1), h.sharing)) AS tokens,
  sum(toDecimal128(toDecimal256(
    intDiv(toInt256(h.cost_usd * 1000000000000) * h.nth, h.sharing)
      - intDiv(toInt256(h.cost_usd * 1000000000000) * (h.nth - 1), h.sharing),
    12) / 1000000000000, 12)) AS cost_usd,
  toBool(max(h.requests > h.unpriced_requests)) AS cost_known
FROM shared AS h
GROUP BY org, outcome_id, outcome_type, team, use_case, model;

-- One row per outcome that stands, with all the spend that led to it, as 0017 says.
CREATE OR REPLACE VIEW outcome_costs AS
SELECT o.outcome_id AS outcome_id, o.ts AS ts, o.org AS org,
  if(o.team = '', s.only_team, toString(o.team)) AS team,
  if(o.use_case = '', s.only_use_case, toString(o.use_case)) AS use_case,
  o.project AS project, o.user AS user, o.agent AS agent, o.language AS language, o.outcome_type AS outcome_type,
  o.artifact AS artifact, o.accepted AS accepted,
  o.artifact != '' AND o.outcome_type != 'reverted' AND (o.org, o.artifact) IN
    (SELECT r.org, r.artifact FROM outcomes AS r WHERE r.outcome_type = 'reverted') AS reverted,
  reverted OR NOT ifNull(o.accepted, true) AND NOT (o.artifact != '' AND o.outcome_type IN ('suggested', 'accepted') AND
    (o.org, o.artifact) IN (SELECT m.org, m.artifact FROM outcomes AS m WHERE m.outcome_type IN ('merged', 'released')
      AND ifNull(m.accepted, true))) AS failed,
  o.value_usd AS value_usd, o.minutes_claimed AS minutes_claimed, o.minutes_captured AS minutes_captured,
  o.quality_score AS quality_score,
  ifNull(s.requests, 0) AS requests, ifNull(s.unpriced_requests, 0) AS unpriced_requests, ifNull(s.tokens, 0) AS tokens,
  if(s.cost_known, toNullable(s.cost_usd), NULL) AS cost_usd
FROM
(
  SELECT v.outcome_id AS outcome_id, v.ts AS ts, v.org AS org, v.team AS team, v.use_case AS use_case, v.project AS project,
    v.user AS user, v.agent AS agent, v.language AS language, v.outcome_type AS outcome_type, v.artifact AS artifact,
    v.accepted AS accepted, v.quality_score AS quality_score,
    argMaxIf(v.value_usd, (v.ts, v.outcome_id), v.value_usd IS NOT NULL) OVER one AS value_usd,
    argMaxIf(v.minutes_claimed, (v.ts, v.outcome_id), v.minutes_claimed IS NOT NULL) OVER one AS minutes_claimed,
    argMaxIf(v.minutes_captured, (v.ts, v.outcome_id), v.minutes_captured IS NOT NULL) OVER one AS minutes_captured,
    row_number() OVER (PARTITION BY v.org, v.outcome_type, v.artifact, if(v.artifact = '', v.outcome_id, '')
      ORDER BY v.accepted IS NULL, v.ts DESC, v.outcome_id DESC) AS nth
  FROM outcomes AS v
  WHERE v.outcome_type NOT IN ('metric', 'security_finding')
  WINDOW one AS (PARTITION BY v.org, v.outcome_type, v.artifact, if(v.artifact = '', v.outcome_id, ''))
) AS o
LEFT JOIN
(
  SELECT p.org AS org, p.outcome_id AS outcome_id,
    if(uniqExact(p.team) = 1, toString(any(p.team)), '') AS only_team,
    if(uniqExact(p.use_case) = 1, toString(any(p.use_case)), '') AS only_use_case,
    sum(p.requests) AS requests, sum(p.unpriced_requests) AS unpriced_requests, sum(p.tokens) AS tokens,
    sum(p.cost_usd) AS cost_usd, max(p.cost_known) AS cost_known
  FROM outcome_spend AS p
  GROUP BY org, outcome_id
) AS s ON s.org = o.org AND s.outcome_id = o.outcome_id
WHERE o.nth = 1;

-- Each use case at the end of each week, as 0022 says.
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
  active AS
  (
    SELECT org, use_case, week FROM spent UNION DISTINCT SELECT org, use_case, week FROM brought
  ),
  weeks AS
  (
    SELECT k.org AS org, k.use_case AS use_case, k.week AS week, ifNull(s.cost_usd, toDecimal128(0, 12)) AS cost_usd,
      ifNull(b.things, 0) AS things, ifNull(b.valued, 0) AS valued, ifNull(b.value_usd, toDecimal128(0, 12)) AS value_usd
    FROM
    (
      SELECT DISTINCT a.org AS org, a.use_case AS use_case, arrayJoin([a.week, a.week + 7, a.week + 14, a.week + 21]) AS week
      FROM active AS a
    ) AS k
    INNER JOIN (SELECT y.org AS org, max(y.week) AS week FROM active AS y GROUP BY org) AS n ON n.org = k.org
    LEFT JOIN spent AS s ON s.org = k.org AND s.use_case = k.use_case AND s.week = k.week
    LEFT JOIN brought AS b ON b.org = k.org AND b.use_case = k.use_case AND b.week = k.week
    WHERE k.week <= n.week
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
          line.5 = 0 OR line.5 * 2 < line.4, held[-1], line.6 >= line.2 AND line.6 > 0, 1, line.6 * 10 < line.2 * 9, 0, held[-1]))), l.history, [toUInt8(0)])))) AS line
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

CREATE OR REPLACE VIEW waste_findings AS
SELECT f.ts AS ts, f.org AS org, f.team AS team, f.use_case AS use_case, f.agent AS agent, f.provider AS provider,
  f.model AS model, f.source AS source, f.id AS id, f.kind AS kind, f.evidence AS evidence, f.cost_usd AS cost_usd,
  if(f.evidence = 'proven', f.cost_usd, NULL) AS recoverable_usd
FROM
(
  -- An attempt that failed, was billed, and was followed by one that did not fail.
  SELECT e.ts AS ts, e.org AS org, e.team AS team, e.use_case AS use_case, e.agent AS agent, e.provider AS provider,
    e.model AS model, e.source AS source, e.id AS id, 1 AS rank, 'failed_attempt' AS kind, 'proven' AS evidence,
    e.cost_usd AS cost_usd
  FROM usage_events AS e
  INNER JOIN
  (
    SELECT v.org AS org, v.operation_id AS operation_id, max(v.ts) AS answered_at
    FROM usage_events AS v WHERE v.operation_id != '' AND v.status = 'ok' GROUP BY org, operation_id
  ) AS a ON a.org = e.org AND a.operation_id = e.operation_id
  WHERE e.operation_id != '' AND e.status = 'error' AND e.cost_usd > 0 AND e.spend_class != 'discovery'
    AND a.answered_at > e.ts

  UNION ALL

  -- Asked again although the answer had been accepted.
  SELECT e.ts AS ts, e.org AS org, e.team AS team, e.use_case AS use_case, e.agent AS agent, e.provider AS provider,
    e.model AS model, e.source AS source, e.id AS id, 2 AS rank, 'regenerated_after_acceptance' AS kind,
    'proven' AS evidence, e.cost_usd AS cost_usd
  FROM usage_events AS e
  INNER JOIN
  (
    SELECT o.org AS org, o.call AS call, min(o.ts) AS accepted_at
    FROM outcomes AS o WHERE o.call != '' AND o.accepted GROUP BY org, call
  ) AS a ON a.org = e.org AND a.call = e.parent_event_id
  WHERE e.parent_event_id != '' AND e.request_kind = 'regenerate' AND e.spend_class != 'discovery'
    AND a.accepted_at < e.ts

  UNION ALL

  -- The same prompt to the same model from the same caller within ten minutes of an answer that was there already.
  SELECT d.ts AS ts, d.org AS org, d.team AS team, d.use_case AS use_case, d.agent AS agent, d.provider AS provider,
    d.model AS model, d.source AS source, d.id AS id, 3 AS rank, 'duplicate' AS kind, 'proven' AS evidence,
    d.cost_usd AS cost_usd
  FROM
  (
    SELECT e.ts AS ts, e.org AS org, e.team AS team, e.use_case AS use_case, e.agent AS agent, e.provider AS provider,
      e.model AS model, e.source AS source, e.id AS id, e.cost_usd AS cost_usd, e.attempt AS attempt,
      max(if(e.status = 'ok' AND e.latency_ms IS NOT NULL, e.ts + toIntervalMillisecond(e.latency_ms), NULL)) OVER before AS answered_at,
      countIf(e.latency_ms IS NULL) OVER before AS of_unknown_length,
      countIf((e.org, e.id) IN (SELECT r.org, r.call FROM outcomes AS r WHERE r.call != '' AND NOT r.accepted)
        OR (e.org, e.operation_id) IN (SELECT r.org, r.call FROM outcomes AS r WHERE r.call != '' AND NOT r.accepted)) OVER before AS refused
    FROM usage_events AS e
    WHERE e.prompt_fingerprint != '' AND NOT ifNull(e.gateway_cache_hit, false) AND e.spend_class != 'discovery'
      AND e.request_kind NOT IN ('regenerate', 'retry', 'sample', 'evaluation')
      AND e.purpose NOT IN ('evaluation', 'benchmark', 'test')
      AND (e.user != '' OR e.end_user != '' OR e.session != '' OR e.run != '')
    WINDOW before AS (PARTITION BY e.org, e.user, e.credential, e.agent, e.end_user, if(e.session != '', e.session, e.run),
      e.provider, e.model, e.prompt_fingerprint ORDER BY e.ts, e.source, e.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
  ) AS d
  WHERE d.answered_at IS NOT NULL AND d.of_unknown_length = 0 AND d.refused = 0 AND d.ts >= d.answered_at
    AND d.ts < d.answered_at + INTERVAL 10 MINUTE AND ifNull(d.attempt, 1) = 1

  UNION ALL

  -- The same long beginning within five minutes, and nothing of it came from the provider's cache.
  SELECT d.ts AS ts, d.org AS org, d.team AS team, d.use_case AS use_case, d.agent AS agent, d.provider AS provider,
    d.model AS model, d.source AS source, d.id AS id, 4 AS rank, 'missed_prompt_cache' AS kind, 'likely' AS evidence,
    d.cost_usd AS cost_usd
  FROM
  (
    SELECT e.ts AS ts, e.org AS org, e.team AS team, e.use_case AS use_case, e.agent AS agent, e.provider AS provider,
      e.model AS model, e.source AS source, e.id AS id, e.cost_usd AS cost_usd, e.input_cache_read_tokens AS cached,
      e.input_uncached_tokens AS uncached,
      max(toNullable(e.ts)) OVER (PARTITION BY e.org, e.provider, e.model, e.prefix_fingerprint
        ORDER BY e.ts, e.source, e.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS sent_at
    FROM usage_events AS e
    WHERE e.prefix_fingerprint != '' AND e.status = 'ok' AND NOT ifNull(e.gateway_cache_hit, false)
      AND e.spend_class != 'discovery'
  ) AS d
  WHERE d.sent_at IS NOT NULL AND d.ts < d.sent_at + INTERVAL 5 MINUTE AND d.cached = 0 AND d.uncached >= 4096

  UNION ALL

  -- Nothing can be asked in four tokens, and no conversation is behind them.
  SELECT e.ts AS ts, e.org AS org, e.team AS team, e.use_case AS use_case, e.agent AS agent, e.provider AS provider,
    e.model AS model, e.source AS source, e.id AS id, 5 AS rank, 'empty_input' AS kind, 'likely' AS evidence,
    e.cost_usd AS cost_usd
  FROM usage_events AS e
  WHERE e.operation IN ('chat', 'text_completion') AND e.status = 'ok' AND e.usage_source = 'reported'
    AND e.input_tokens <= 4 AND e.output_tokens > 0 AND ifNull(e.input_cache_read_tokens, 0) = 0
    AND ifNull(e.input_audio_tokens, 0) + ifNull(e.input_image_tokens, 0) = 0 AND empty(e.units)
    AND e.parent_event_id = '' AND e.request_kind NOT IN ('follow_up', 'agent_step', 'evaluation', 'sample')
    AND e.purpose NOT IN ('evaluation', 'benchmark', 'test') AND e.spend_class != 'discovery' AND e.cost_usd > 0

  UNION ALL

  -- A cheaper model was measured to do this work as well: what its price would have saved.
  SELECT e.ts AS ts, e.org AS org, e.team AS team, e.use_case AS use_case, e.agent AS agent, e.provider AS provider,
    e.model AS model, e.source AS source, e.id AS id, 6 AS rank, 'over_tiered_model' AS kind, 'likely' AS evidence,
    toDecimal64(greatest(toDecimal128(0, 12), toDecimal128(e.cost_usd, 12) - toDecimal128(toDecimal256(intDiv(
      toInt256(ifNull(e.input_tokens, 0) + ifNull(e.output_tokens, 0)) * toInt256(a.cheaper_cost_usd * 1000000000000),
      toInt256(a.cheaper_tokens)), 12) / 1000000000000, 12)), 12) AS cost_usd
  FROM usage_events AS e
  INNER JOIN routing_advice AS a
    ON a.org = e.org AND a.use_case = e.use_case AND a.task_class = e.task_class AND a.language = e.language AND a.model = e.model
  WHERE e.status = 'ok' AND e.spend_class != 'discovery' AND e.cost_usd > 0 AND cost_usd > 0

  UNION ALL

  -- A run or session sends again all that it sent within five minutes, and nothing of it comes from the provider's cache.
  SELECT d.ts AS ts, d.org AS org, d.team AS team, d.use_case AS use_case, d.agent AS agent, d.provider AS provider,
    d.model AS model, d.source AS source, d.id AS id, 7 AS rank, 'context_resend' AS kind, 'possible' AS evidence,
    d.cost_usd AS cost_usd
  FROM
  (
    SELECT e.ts AS ts, e.org AS org, e.team AS team, e.use_case AS use_case, e.agent AS agent, e.provider AS provider,
      e.model AS model, e.source AS source, e.id AS id, e.cost_usd AS cost_usd, e.input_cache_read_tokens AS cached,
      e.input_uncached_tokens AS uncached, e.prefix_fingerprint AS prefix,
      lagInFrame(toNullable(e.ts)) OVER own AS before_at, lagInFrame(e.input_tokens) OVER own AS before_tokens
    FROM usage_events AS e
    WHERE (e.run != '' OR e.session != '') AND e.status = 'ok' AND NOT ifNull(e.gateway_cache_hit, false)
      AND e.operation != 'embeddings' AND e.spend_class != 'discovery'
    WINDOW own AS (PARTITION BY e.org, e.run, e.session, e.user, e.agent, e.provider, e.model ORDER BY e.ts, e.source, e.id
      ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
  ) AS d
  WHERE d.prefix = '' AND d.before_at IS NOT NULL AND d.ts < d.before_at + INTERVAL 5 MINUTE AND d.cached = 0
    AND d.before_tokens >= 4096 AND d.uncached >= d.before_tokens

  UNION ALL

  -- A few words asked, a few words answered, and much reasoning between them.
  SELECT e.ts AS ts, e.org AS org, e.team AS team, e.use_case AS use_case, e.agent AS agent, e.provider AS provider,
    e.model AS model, e.source AS source, e.id AS id, 8 AS rank, 'trivial_input' AS kind, 'possible' AS evidence,
    e.cost_usd AS cost_usd
  FROM usage_events AS e
  WHERE e.operation IN ('chat', 'text_completion') AND e.status = 'ok' AND e.usage_source = 'reported'
    AND e.input_tokens <= 64 AND e.output_text_tokens <= 32 AND e.output_reasoning_tokens >= 1024
    AND ifNull(e.input_audio_tokens, 0) + ifNull(e.input_image_tokens, 0) = 0 AND empty(e.units)
    AND e.parent_event_id = '' AND e.request_kind NOT IN ('follow_up', 'agent_step', 'evaluation', 'sample')
    AND e.purpose NOT IN ('evaluation', 'benchmark', 'test') AND e.spend_class != 'discovery'
) AS f
ORDER BY f.org, f.source, f.id, f.rank
LIMIT 1 BY f.org, f.source, f.id;

-- What a success takes, week by week, failures included: tokens, and USD per success of which any cost is known.
CREATE OR REPLACE VIEW efficiency AS
SELECT w.week AS week, w.org AS org, w.use_case AS use_case, w.outcome_type AS outcome_type, w.outcomes AS outcomes,
  w.succeeded AS succeeded, w.tokens AS tokens, w.cost_usd AS cost_usd, w.tokens_per_success AS tokens_per_success,
  if(w.succeeded_with_cost > 0, w.cost_usd / greatest(w.succeeded_with_cost, 1), NULL) AS usd_per_success,
  if(lagInFrame(w.week) OVER before = w.week - 7, w.tokens_per_success / lagInFrame(w.tokens_per_success) OVER before, NULL)
    AS tokens_to_week_before_ratio
FROM
(
  SELECT toMonday(toDate(c.ts, 'UTC')) AS week, c.org AS org, c.use_case AS use_case, c.outcome_type AS outcome_type,
    toInt64(count()) AS outcomes, toInt64(countIf(NOT c.failed)) AS succeeded,
    toInt64(countIf(c.cost_usd IS NOT NULL AND NOT c.failed)) AS succeeded_with_cost, sum(c.tokens) AS tokens,
    sum(c.cost_usd) AS cost_usd,
    if(succeeded > 0, tokens / greatest(succeeded, 1), NULL) AS tokens_per_success
  FROM outcome_costs AS c
  WHERE c.requests > 0
  GROUP BY week, org, use_case, outcome_type
) AS w
WINDOW before AS (PARTITION BY w.org, w.use_case, w.outcome_type ORDER BY w.week ROWS BETWEEN 1 PRECEDING AND CURRENT ROW);

-- Which models each kind of work is done with: its share of the money, how often another model answered than was asked for,
-- and, where a cheaper one was measured to do as well (routing_advice), which. A model is the one that was asked for with a
-- date or version behind its name (-2024-08-06, -001), or where its latest was asked for, whatever provider is named before
-- it; gpt-4o-mini is not gpt-4o.
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
    toInt64(countIf(e.requested_model != '' AND NOT (
      startsWith(answered, wanted) AND match(substring(answered, length(wanted) + 1),
        '^([-@]([0-9]{4}|[0-9]{6}|[0-9]{8}|[0-9]{4}-[0-9]{2}(-[0-9]{2})?|00[0-9]))?(-v[0-9]+(:[0-9]+)?)?$')))) AS rerouted_requests,
    sum(toDecimal128(ifNull(e.cost_usd, 0), 12)) AS cost_usd
  FROM
  (
    SELECT ts, org, use_case, task_class, model, requested_model, cost_usd,
      replaceRegexpOne(toString(model), '^.*/', '') AS answered,
      replaceRegexpAll(toString(requested_model), '^.*/|[-:@]latest$', '') AS wanted
    FROM usage_events
  ) AS e
  GROUP BY month, org, use_case, task_class, model
) AS m
LEFT JOIN
(
  SELECT r.org AS org, r.use_case AS use_case, r.task_class AS task_class, r.model AS model, min(r.cheaper_model) AS cheaper_model
  FROM routing_advice AS r GROUP BY org, use_case, task_class, model
) AS a ON a.org = m.org AND a.use_case = m.use_case AND a.task_class = m.task_class AND a.model = m.model;

-- Where volume may be performed instead of used; the laws of 0023 hold, and nobody is accused where no outcome is known.
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
  INNER JOIN newest AS n ON n.org = b.org
  WHERE b.usual_days >= 7 AND b.now >= 3 * b.usual AND b.now * 10 >= b.tokens * 3 AND b.usual_off * 10 <= b.usual_tokens
    AND b.people >= 5 AND n.day >= b.day
) AS f;
