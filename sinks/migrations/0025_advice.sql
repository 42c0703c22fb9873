-- What was advised about runs, and runs as the ledger knows them.
-- Runs in the database of the settings; every statement may be repeated.

CREATE TABLE IF NOT EXISTS advice_store
(
  org           LowCardinality(String),
  entity_type   LowCardinality(String),
  entity_id     String,
  advice        LowCardinality(String),
  rule          LowCardinality(String),
  alert_id      String,
  at            DateTime64(6, 'UTC'),
  valid_until   DateTime64(6, 'UTC'),
  calls         Int64,
  spent_usd     Decimal(38, 12),
  expected_usd  Nullable(Decimal(38, 12)),
  high_usd      Nullable(Decimal(38, 12)),
  like_runs     Int64,
  agent         LowCardinality(String),
  message       String
)
ENGINE = ReplacingMergeTree
ORDER BY (org, entity_type, entity_id, at, advice)
TTL toDateTime(at) + INTERVAL 90 DAY;

-- One row per advice; the newest of a run holds until `valid_until`. NULL: nothing was known of such runs.
CREATE OR REPLACE VIEW advice AS
SELECT a.org, a.entity_type, a.entity_id, a.advice, a.rule, a.alert_id, a.at, a.valid_until, a.calls, a.spent_usd,
  a.expected_usd, a.high_usd, a.like_runs, a.agent, a.message
FROM advice_store AS a FINAL;

-- One row per run: what it did and cost. `unpriced_requests` are not in `cost_usd`. `resend_amplification`: all its input
-- in units of its largest one. `announced_tokens`: what its calls said beforehand that they would use; NULL: none did.
CREATE OR REPLACE VIEW runs AS
SELECT e.org AS org, e.run AS run, any(e.team) AS team, any(e.agent) AS agent, any(e.task_template) AS task_template,
  min(e.ts) AS started_at, max(e.ts) AS ended_at, count() AS requests, countIf(e.status = 'error') AS errors,
  uniqExact(e.agent) AS agents, max(e.step) AS depth, countIf(e.tool_call_hash != '') AS tool_calls,
  uniqExactIf(e.tool_call_hash, e.tool_call_hash != '') AS distinct_tool_calls,
  sum(e.input_tokens) AS input_tokens, sum(e.output_tokens) AS output_tokens,
  if(max(e.input_tokens) > 0, sum(e.input_tokens) / max(e.input_tokens), NULL) AS resend_amplification,
  sum(e.estimated_tokens) AS announced_tokens, sum(e.cost_usd) AS cost_usd,
  countIf(e.cost_usd IS NULL) AS unpriced_requests
FROM usage_events AS e
WHERE e.run != ''
GROUP BY org, run;

-- Per agent: what calls announced against what they used, of calls that announced anything. Below 1 is too little said.
CREATE OR REPLACE VIEW announced_needs AS
SELECT e.org AS org, e.agent AS agent, count() AS requests, sum(e.estimated_tokens) AS announced_tokens,
  sum(ifNull(e.input_tokens, 0) + ifNull(e.output_tokens, 0)) AS used_tokens,
  quantileExact(0.5)(e.estimated_tokens / (ifNull(e.input_tokens, 0) + ifNull(e.output_tokens, 0)))
    AS median_announced_to_used
FROM usage_events AS e
WHERE e.estimated_tokens > 0 AND ifNull(e.input_tokens, 0) + ifNull(e.output_tokens, 0) > 0
GROUP BY org, agent;
