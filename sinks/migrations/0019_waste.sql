-- Waste that can be defended, without text: by keyed fingerprints, attempts and what outcomes say. Laws:
-- 1. An event has one finding at most, the one with the best evidence: sums over findings count nothing twice and are never
--    more than what was spent.
-- 2. Dollars are recoverable only where the evidence is proven; else recoverable_usd is NULL.
-- 3. What says nothing (no fingerprint, no status, no latency) is not judged. Discovery is no waste, nor are samples,
--    evaluations and whatever is asked again while the first answer was still on its way.
-- Runs in the database of the settings; every statement may be repeated.

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
) AS f
ORDER BY f.org, f.source, f.id, f.rank
LIMIT 1 BY f.org, f.source, f.id;

-- Events that are better left out of training data, and why.
CREATE OR REPLACE VIEW training_exclusions AS
SELECT x.org AS org, x.source AS source, x.id AS id, arraySort(groupUniqArray(x.reason)) AS reasons
FROM
(
  SELECT w.org AS org, w.source AS source, w.id AS id, w.kind AS reason FROM waste_findings AS w
  WHERE w.kind != 'missed_prompt_cache'
  UNION ALL
  SELECT e.org AS org, e.source AS source, e.id AS id, 'rejected' AS reason FROM usage_events AS e
  WHERE (e.org, e.id) IN (SELECT o.org, o.call FROM outcomes AS o WHERE o.call != '' AND NOT o.accepted)
  UNION ALL
  SELECT e.org AS org, e.source AS source, e.id AS id, 'failed' AS reason FROM usage_events AS e WHERE e.status = 'error'
) AS x
GROUP BY org, source, id;
