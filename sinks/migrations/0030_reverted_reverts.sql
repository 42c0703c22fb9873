-- What is taken back and comes again. Otherwise the views are those of 0016, 0018, 0019, 0022 and 0029. Laws:
-- 1. A change is reverted while its last revert stands. A revert stands unless it was refused, or the change that made it
--    (reverted_by) is reverted itself: so a revert of a revert restores, and so on, whatever comes late or in which order.
--    Changes that revert each other in a ring stay reverted.
-- 2. All that is said of a reverted change has failed, that it was reverted included; a revert that was refused fails nothing.
-- 3. Value is counted once per thing (artifact), as it was said last, and not where it failed; damage always is.
-- 4. What was refused by anybody is no accepted answer, and what was cut off is no answer that a duplicate repeats.
-- Runs in the database of the settings; every statement may be repeated.

ALTER TABLE outcome_revisions_store
  ADD COLUMN IF NOT EXISTS reverted_by String;   -- of a reverted: the artifact of the change that did it; '' if unknown

-- Every word on every outcome, as 0016 says.
CREATE OR REPLACE VIEW outcome_revisions AS
SELECT r.outcome_id, r.source, r.id, r.revision, r.void, r.ts, r.received_at, r.import_id, r.org, r.business_unit,
  r.cost_center, r.team, r.project, r.user, r.agent, r.service, r.environment, r.use_case, r.language, r.task, r.run,
  r.session, r.call, r.artifact, r.commit, r.outcome_type, r.accepted, r.intervention, r.exception, r.reviewer, r.risk,
  r.minutes_claimed, r.minutes_captured, r.value_usd, r.quality_score, r.metric, r.metric_value, r.metric_unit,
  r.period_from, r.period_until, r.finding_rule, r.finding_state, r.reverted_by
FROM outcome_revisions_store AS r FINAL;

-- One row per outcome, as 0016 says.
CREATE OR REPLACE VIEW outcomes AS
SELECT o.outcome_id, o.source, o.id, o.revision, o.ts, o.received_at, o.import_id, o.org, o.business_unit,
  o.cost_center, o.team, o.project, o.user, o.agent, o.service, o.environment, o.use_case, o.language, o.task, o.run,
  o.session, o.call, o.artifact, o.commit, o.outcome_type, o.accepted, o.intervention, o.exception, o.reviewer, o.risk,
  o.minutes_claimed, o.minutes_captured, o.value_usd, o.quality_score, o.metric, o.metric_value, o.metric_unit,
  o.period_from, o.period_until, o.finding_rule, o.finding_state, o.reverted_by
FROM
(
  SELECT * FROM outcome_revisions_store ORDER BY outcome_id, revision DESC LIMIT 1 BY outcome_id
) AS o
WHERE NOT o.void;

-- The last revert of each artifact, by which change, and whether it stands.
CREATE OR REPLACE VIEW reverts AS
WITH RECURSIVE
  last AS
  (
    SELECT w.org AS org, w.artifact AS artifact, w.reverted_by AS reverted_by, w.ts AS reverted_at
    FROM
    (
      SELECT n.org AS org, n.artifact AS artifact, n.reverted_by AS reverted_by, n.ts AS ts, n.accepted AS accepted
      FROM
      (
        -- As in the view outcomes, of the few that were ever a revert.
        SELECT r.outcome_id AS outcome_id, r.org AS org, r.artifact AS artifact, r.reverted_by AS reverted_by, r.ts AS ts,
          r.accepted AS accepted, r.void AS void, r.outcome_type AS outcome_type
        FROM outcome_revisions_store AS r
        WHERE r.outcome_id IN (SELECT k.outcome_id FROM outcome_revisions_store AS k WHERE k.outcome_type = 'reverted')
        ORDER BY r.outcome_id, r.revision DESC LIMIT 1 BY r.outcome_id
      ) AS n
      WHERE NOT n.void AND n.outcome_type = 'reverted' AND n.artifact != ''
      ORDER BY n.org, n.artifact, n.accepted IS NULL, n.ts DESC, n.outcome_id DESC LIMIT 1 BY n.org, n.artifact
    ) AS w
    WHERE ifNull(w.accepted, true)
  ),
  standing AS
  (
    -- From the ends of all chains: what nobody reverted stands, and with it every second before it. Rings have no end.
    SELECT l.org AS org, l.artifact AS artifact, toUInt16(1) AS nth
    FROM last AS l WHERE (l.org, l.reverted_by) NOT IN (SELECT e.org, e.artifact FROM last AS e)
    UNION ALL
    SELECT l.org AS org, l.artifact AS artifact, toUInt16(s.nth + 1) AS nth
    FROM last AS l INNER JOIN standing AS s ON s.org = l.org AND s.artifact = l.reverted_by
    WHERE s.nth < 900   -- the engine refuses a thousand; a longer chain stays reverted
  )
SELECT v.org AS org, v.artifact AS artifact, v.reverted_by AS reverted_by, v.reverted_at AS reverted_at,
  toBool((v.org, v.artifact) NOT IN (SELECT c.org, c.artifact FROM standing AS c WHERE c.nth % 2 = 0)) AS stands
FROM last AS v;

-- One row per outcome that stands: whether it failed, and whether it was reverted.
CREATE OR REPLACE VIEW outcome_verdicts AS
SELECT o.outcome_id AS outcome_id, o.ts AS ts, o.org AS org, o.team AS team, o.use_case AS use_case, o.project AS project,
  o.user AS user, o.agent AS agent, o.language AS language, o.outcome_type AS outcome_type, o.artifact AS artifact,
  o.accepted AS accepted,
  if(o.artifact = '', toUInt8(o.outcome_type = 'reverted' AND ifNull(o.accepted, true)),
    (o.org, o.artifact) IN (SELECT r.org, r.artifact FROM reverts AS r WHERE r.stands)) AS reverted,
  reverted OR NOT ifNull(o.accepted, true) AND o.outcome_type != 'reverted' AND NOT (o.artifact != ''
    AND o.outcome_type IN ('suggested', 'accepted') AND (o.org, o.artifact) IN
      (SELECT m.org, m.artifact FROM outcomes AS m WHERE m.outcome_type IN ('merged', 'released') AND ifNull(m.accepted, true)))
    AS failed,
  o.value_usd AS value_usd, o.minutes_claimed AS minutes_claimed, o.minutes_captured AS minutes_captured,
  o.quality_score AS quality_score
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
WHERE o.nth = 1;

-- One row per outcome that stands, with all the spend that led to it, as 0017 says.
CREATE OR REPLACE VIEW outcome_costs AS
SELECT o.outcome_id AS outcome_id, o.ts AS ts, o.org AS org,
  if(o.team = '', s.only_team, toString(o.team)) AS team,
  if(o.use_case = '', s.only_use_case, toString(o.use_case)) AS use_case,
  o.project AS project, o.user AS user, o.agent AS agent, o.language AS language, o.outcome_type AS outcome_type,
  o.artifact AS artifact, o.accepted AS accepted, o.reverted AS reverted, o.failed AS failed,
  o.value_usd AS value_usd, o.minutes_claimed AS minutes_claimed, o.minutes_captured AS minutes_captured,
  o.quality_score AS quality_score,
  ifNull(s.requests, 0) AS requests, ifNull(s.unpriced_requests, 0) AS unpriced_requests, ifNull(s.tokens, 0) AS tokens,
  if(s.cost_known, toNullable(s.cost_usd), NULL) AS cost_usd
FROM outcome_verdicts AS o
LEFT JOIN
(
  SELECT p.org AS org, p.outcome_id AS outcome_id,
    if(uniqExact(p.team) = 1, toString(any(p.team)), '') AS only_team,
    if(uniqExact(p.use_case) = 1, toString(any(p.use_case)), '') AS only_use_case,
    sum(p.requests) AS requests, sum(p.unpriced_requests) AS unpriced_requests, sum(p.tokens) AS tokens,
    sum(p.cost_usd) AS cost_usd, max(p.cost_known) AS cost_known
  FROM outcome_spend AS p
  GROUP BY org, outcome_id
) AS s ON s.org = o.org AND s.outcome_id = o.outcome_id;

-- What each use case cost and brought, by month: spend of the ledger, the value of things in the month in which it was said
-- last, and minutes as they were claimed and as they were captured: two figures, which are never one sum.
CREATE OR REPLACE VIEW value_dashboard AS
SELECT d.month AS month, d.org AS org, d.use_case AS use_case, sum(d.cost_usd) AS cost_usd,
  sum(d.value_usd) AS value_usd, sum(d.minutes_claimed) AS minutes_claimed, sum(d.minutes_captured) AS minutes_captured
FROM
(
  SELECT toStartOfMonth(u.t) AS month, u.org AS org, toString(u.use_case) AS use_case, u.cost_usd AS cost_usd,
    CAST(NULL, 'Nullable(Decimal(38, 12))') AS value_usd,
    CAST(NULL, 'Nullable(Decimal(38, 12))') AS minutes_claimed, CAST(NULL, 'Nullable(Decimal(38, 12))') AS minutes_captured
  FROM usage_1d_utc AS u
  UNION ALL
  SELECT toStartOfMonth(toDate(c.at, 'UTC')) AS month, c.org AS org, toLowCardinality(c.use_case) AS use_case, toDecimal128(0, 12) AS cost_usd,
    if(c.at = c.value_at, if(c.has_failed, least(c.value_usd, toDecimal128(0, 12)), c.value_usd), NULL) AS value_usd,
    if(c.at = c.claimed_at, c.minutes_claimed, NULL) AS minutes_claimed,
    if(c.at = c.captured_at, c.minutes_captured, NULL) AS minutes_captured
  FROM
  (
    SELECT t.org AS org, if(t.artifact = '', t.outcome_id, t.artifact) AS thing,
      argMax(t.use_case, (t.use_case != '', t.ts, t.outcome_id)) AS use_case,
      max(t.failed) AS has_failed,
      argMaxIf(t.value_usd, (t.ts, t.outcome_id), t.value_usd IS NOT NULL) AS value_usd,
      argMaxIf(t.minutes_claimed, (t.ts, t.outcome_id), t.minutes_claimed IS NOT NULL) AS minutes_claimed,
      argMaxIf(t.minutes_captured, (t.ts, t.outcome_id), t.minutes_captured IS NOT NULL) AS minutes_captured,
      maxIf(t.ts, t.value_usd IS NOT NULL) AS value_at, maxIf(t.ts, t.minutes_claimed IS NOT NULL) AS claimed_at,
      maxIf(t.ts, t.minutes_captured IS NOT NULL) AS captured_at,
      arrayJoin(arrayDistinct(arrayFilter(one -> one > toDateTime64(0, 6, 'UTC'),
        [max(t.ts), value_at, claimed_at, captured_at]))) AS at
    FROM outcome_costs AS t GROUP BY org, thing
  ) AS c
) AS d
GROUP BY month, org, use_case;

-- One row per artifact (a change), as 0018 says.
CREATE OR REPLACE VIEW changes AS
SELECT a.org AS org, a.artifact AS artifact, a.team AS team, a.use_case AS use_case, a.user AS user, a.agent AS agent,
  a.suggested_at AS suggested_at, a.accepted_at AS accepted_at, a.merged_at AS merged_at, a.released_at AS released_at,
  v.reverted_at AS reverted_at, a.closed AS closed, a.risk AS risk,
  arrayFilter(name -> name != '' AND name != a.user, a.reviewers) AS reviewers,
  ifNull(f.findings, 0) AS findings, ifNull(f.open_findings, 0) AS open_findings
FROM
(
  SELECT o.org AS org, o.artifact AS artifact,
    minIf(toString(o.team), o.team != '') AS team, minIf(toString(o.use_case), o.use_case != '') AS use_case,
    minIf(o.user, o.user != '' AND o.outcome_type IN ('suggested', 'merged')) AS user,
    minIf(toString(o.agent), o.agent != '') AS agent,
    minIf(toNullable(o.ts), o.outcome_type = 'suggested') AS suggested_at,
    minIf(toNullable(o.ts), o.outcome_type = 'accepted' AND ifNull(o.accepted, true)) AS accepted_at,
    minIf(toNullable(o.ts), o.outcome_type = 'merged' AND ifNull(o.accepted, true)) AS merged_at,
    minIf(toNullable(o.ts), o.outcome_type = 'released' AND ifNull(o.accepted, true)) AS released_at,
    merged_at IS NULL AND countIf(o.outcome_type = 'merged') > 0 AS closed,
    argMaxIf(toString(o.risk), o.ts, o.risk != '') AS risk,
    groupUniqArrayIf(o.reviewer, o.outcome_type IN ('accepted', 'merged') AND ifNull(o.accepted, true)) AS reviewers
  FROM outcomes AS o
  WHERE o.artifact != '' AND o.outcome_type IN ('suggested', 'accepted', 'merged', 'released', 'reverted')
  GROUP BY org, artifact
) AS a
LEFT JOIN
(
  SELECT x.org AS org, x.artifact AS artifact, toInt64(uniqExact(x.outcome_id)) AS findings,
    toInt64(uniqExactIf(x.outcome_id, x.state = 'open')) AS open_findings
  FROM
  (
    -- A finding belongs to the change, or to the commit of one, in which it was seen first: once fixed it is seen elsewhere.
    SELECT r.org AS org, r.outcome_id AS outcome_id, argMax(r.finding_state, r.revision) AS state,
      if(argMinIf(r.artifact, r.revision, r.artifact != '') != '', argMinIf(r.artifact, r.revision, r.artifact != ''),
        any(m.artifact)) AS artifact
    FROM outcome_revisions AS r
    LEFT JOIN
    (
      SELECT c.org AS org, c.commit AS commit, min(c.artifact) AS artifact FROM outcomes AS c
      WHERE c.commit != '' AND c.artifact != '' AND c.outcome_type = 'merged' GROUP BY org, commit
    ) AS m ON m.org = r.org AND m.commit = r.commit
    WHERE r.outcome_type = 'security_finding'
    GROUP BY org, outcome_id
    HAVING NOT argMax(r.void, r.revision) AND artifact != ''
  ) AS x
  GROUP BY org, artifact
) AS f ON f.org = a.org AND f.artifact = a.artifact
LEFT JOIN
(
  SELECT t.org AS org, t.artifact AS artifact, toNullable(t.reverted_at) AS reverted_at FROM reverts AS t WHERE t.stands
) AS v ON v.org = a.org AND v.artifact = a.artifact;

-- Waste, as 0019, 0021 and 0029 say.
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
    SELECT o.org AS org, o.call AS call, minIf(o.ts, o.accepted) AS accepted_at
    FROM outcomes AS o WHERE o.call != '' AND o.accepted IS NOT NULL GROUP BY org, call HAVING min(o.accepted)
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
      lower(e.finish_reason) IN ('', 'stop', 'end_turn', 'stop_sequence', 'tool_use', 'tool_calls', 'tool_call', 'function_call',
        'complete', 'completed', 'eos', 'eos_token') AS complete,
      max(if(e.status = 'ok' AND complete AND e.latency_ms IS NOT NULL, e.ts + toIntervalMillisecond(e.latency_ms), NULL)) OVER before AS answered_at,
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

-- Events that are better left out of training data, and why: waste, errors, and what was refused (rejected): the call itself
-- by anybody, or all that came of its task, run or session.
CREATE OR REPLACE VIEW training_exclusions AS
WITH
  refused AS
  (
    SELECT k.org AS org, k.kind AS kind, k.key AS key
    FROM outcome_keys AS k
    INNER JOIN outcome_verdicts AS v ON v.org = k.org AND v.outcome_id = k.outcome_id
    WHERE v.outcome_type NOT IN ('suggested', 'viewed')
    GROUP BY org, kind, key
    HAVING max(v.failed) AND (kind = 'call' OR min(v.failed))
  )
SELECT x.org AS org, x.source AS source, x.id AS id, arraySort(groupUniqArray(x.reason)) AS reasons
FROM
(
  SELECT w.org AS org, w.source AS source, w.id AS id, w.kind AS reason FROM waste_findings AS w
  WHERE w.kind != 'missed_prompt_cache'
  UNION ALL
  SELECT e.org AS org, e.source AS source, e.id AS id, 'rejected' AS reason FROM usage_events AS e
  WHERE (e.org, 'call', e.id) IN (SELECT r.org, r.kind, r.key FROM refused AS r)
    OR (e.org, 'call', e.operation_id) IN (SELECT r.org, r.kind, r.key FROM refused AS r)
    OR (e.org, 'task', e.task) IN (SELECT r.org, r.kind, r.key FROM refused AS r)
    OR (e.org, 'run', e.run) IN (SELECT r.org, r.kind, r.key FROM refused AS r)
    OR (e.org, 'session', e.session) IN (SELECT r.org, r.kind, r.key FROM refused AS r)
  UNION ALL
  SELECT e.org AS org, e.source AS source, e.id AS id, 'failed' AS reason FROM usage_events AS e WHERE e.status = 'error'
) AS x
GROUP BY org, source, id;
