-- More kinds of waste, and what each model is good for. Laws, beside those of 0019:
-- 1. cost_usd of a finding is what its call cost; of over_tiered_model it is what one tier down would have saved. So the
--    findings together are never more than what was spent.
-- 2. A model is too dear only where a cheaper one was measured at the same work (use case, task class, language): at least
--    20 judged outcomes of each that one model alone made, and the lower bound (Wilson, 95 %) of the cheaper one's share of
--    successes is not more than 5 points below the share of the dearer one.
-- 3. One tier down is the dearest of those that pass; its price is what it was measured to cost per token at that work.
-- Source: https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval (Wilson score interval).
-- Runs in the database of the settings; every statement may be repeated.

-- What each model cost and how often it succeeded, by use case, task class and language. Things are changes, tickets, ...:
-- judged where accepted or not, or reverted since, and counted for a model where it alone, at such work alone, led to them.
CREATE OR REPLACE VIEW model_scorecard AS
WITH
  judged AS
  (
    SELECT c.org AS org, c.outcome_id AS outcome_id, if(c.artifact = '', c.outcome_id, c.artifact) AS thing, c.failed AS failed
    FROM outcome_costs AS c
    WHERE c.accepted IS NOT NULL OR c.reverted
  ),
  things AS
  (
    SELECT w.org AS org, j.thing AS thing, max(j.failed) AS failed,
      groupUniqArray(2)((w.use_case, w.task_class, w.language, w.model)) AS works
    FROM
    (
      SELECT DISTINCT e.org AS org, toString(e.use_case) AS use_case, toString(e.task_class) AS task_class,
        toString(e.language) AS language, toString(e.model) AS model,
        arrayJoin([('task', e.task), ('run', e.run), ('session', e.session), ('call', e.id), ('call', e.operation_id)]) AS named
      FROM usage_events AS e
    ) AS w
    INNER JOIN outcome_keys AS k ON k.org = w.org AND k.kind = w.named.1 AND k.key = w.named.2
    INNER JOIN judged AS j ON j.org = k.org AND j.outcome_id = k.outcome_id
    GROUP BY org, thing
    HAVING length(works) = 1
  ),
  measured AS
  (
    SELECT t.org AS org, t.works[1] AS work, toInt64(count()) AS judged, toInt64(countIf(NOT t.failed)) AS succeeded
    FROM things AS t GROUP BY org, work
  ),
  used AS
  (
    SELECT e.org AS org, (toString(e.use_case), toString(e.task_class), toString(e.language), toString(e.model)) AS work,
      toInt64(count()) AS requests,
      toInt64(sum(ifNull(e.input_tokens, 0) + ifNull(e.output_tokens, 0))) AS tokens,
      sum(toDecimal128(ifNull(e.cost_usd, 0), 12)) AS cost_usd
    FROM usage_events AS e WHERE e.cost_usd IS NOT NULL GROUP BY org, work
  )
SELECT u.org AS org, u.work.1 AS use_case, u.work.2 AS task_class, u.work.3 AS language, u.work.4 AS model,
  u.requests AS requests, u.tokens AS tokens, u.cost_usd AS cost_usd,
  ifNull(m.judged, 0) AS judged, ifNull(m.succeeded, 0) AS succeeded,
  if(judged > 0, succeeded / greatest(judged, 1), NULL) AS success_ratio,
  if(judged > 0, (success_ratio + 3.841459 / (2 * judged)
    - 1.959964 * sqrt(success_ratio * (1 - success_ratio) / judged + 3.841459 / (4 * judged * judged))) / (1 + 3.841459 / judged), NULL) AS success_low,
  if(judged > 0, (success_ratio + 3.841459 / (2 * judged)
    + 1.959964 * sqrt(success_ratio * (1 - success_ratio) / judged + 3.841459 / (4 * judged * judged))) / (1 + 3.841459 / judged), NULL) AS success_high
FROM used AS u
LEFT JOIN measured AS m ON m.org = u.org AND m.work = u.work;

-- Where a cheaper model was measured to do as well: what the work cost, and what its tokens would have cost one tier down.
CREATE OR REPLACE VIEW routing_advice AS
SELECT p.org AS org, p.use_case AS use_case, p.task_class AS task_class, p.language AS language, p.model AS model,
  p.cheap.2 AS cheaper_model, p.requests AS requests, p.tokens AS tokens, p.cost_usd AS cost_usd,
  p.judged AS judged, p.success_ratio AS success_ratio, p.cheap.5 AS cheaper_judged, p.cheap.6 AS cheaper_success_ratio,
  p.cheap.7 AS cheaper_success_low, p.cheap.3 AS cheaper_cost_usd, p.cheap.4 AS cheaper_tokens,
  p.cost_usd - toDecimal128(toDecimal256(intDiv(toInt256(p.tokens) * toInt256(p.cheap.3 * 1000000000000), toInt256(p.cheap.4)), 12) / 1000000000000, 12) AS saving_usd
FROM
(
  SELECT d.org AS org, d.use_case AS use_case, d.task_class AS task_class, d.language AS language, d.model AS model,
    any(d.requests) AS requests, any(d.tokens) AS tokens, any(d.cost_usd) AS cost_usd, any(d.judged) AS judged,
    any(d.success_ratio) AS success_ratio,
    max((toFloat64(c.cost_usd) / c.tokens, c.model, c.cost_usd, c.tokens, c.judged, assumeNotNull(c.success_ratio), assumeNotNull(c.success_low))) AS cheap
  FROM model_scorecard AS d
  INNER JOIN model_scorecard AS c
    ON c.org = d.org AND c.use_case = d.use_case AND c.task_class = d.task_class AND c.language = d.language
  WHERE d.task_class != '' AND d.model != c.model AND d.judged >= 20 AND c.judged >= 20 AND d.tokens > 0 AND c.tokens > 0
    AND toFloat64(c.cost_usd) / c.tokens < 0.8 * toFloat64(d.cost_usd) / d.tokens
    AND c.success_low >= d.success_ratio - 0.05
  GROUP BY org, use_case, task_class, language, model
) AS p;

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
      max(if(e.status = 'ok' AND e.latency_ms IS NOT NULL, e.ts + toIntervalMillisecond(e.latency_ms), NULL)) OVER
        (PARTITION BY e.org, e.user, e.credential, e.agent, e.provider, e.model, e.prompt_fingerprint
          ORDER BY e.ts, e.source, e.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS answered_at,
      countIf(e.latency_ms IS NULL) OVER
        (PARTITION BY e.org, e.user, e.credential, e.agent, e.provider, e.model, e.prompt_fingerprint
          ORDER BY e.ts, e.source, e.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS of_unknown_length
    FROM usage_events AS e
    WHERE e.prompt_fingerprint != '' AND NOT ifNull(e.gateway_cache_hit, false) AND e.spend_class != 'discovery'
      AND e.request_kind NOT IN ('regenerate', 'retry', 'sample', 'evaluation')
      AND e.purpose NOT IN ('evaluation', 'benchmark', 'test')
  ) AS d
  WHERE d.answered_at IS NOT NULL AND d.of_unknown_length = 0 AND d.ts >= d.answered_at
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

-- Events that are better left out of training data, and why.
CREATE OR REPLACE VIEW training_exclusions AS
SELECT x.org AS org, x.source AS source, x.id AS id, arraySort(groupUniqArray(x.reason)) AS reasons
FROM
(
  SELECT w.org AS org, w.source AS source, w.id AS id, w.kind AS reason FROM waste_findings AS w
  WHERE w.kind NOT IN ('missed_prompt_cache', 'over_tiered_model', 'context_resend')
  UNION ALL
  SELECT e.org AS org, e.source AS source, e.id AS id, 'rejected' AS reason FROM usage_events AS e
  WHERE (e.org, e.id) IN (SELECT o.org, o.call FROM outcomes AS o WHERE o.call != '' AND NOT o.accepted)
  UNION ALL
  SELECT e.org AS org, e.source AS source, e.id AS id, 'failed' AS reason FROM usage_events AS e WHERE e.status = 'error'
) AS x
GROUP BY org, source, id;
