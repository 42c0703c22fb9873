-- What has no known price counts in budgets at its ceiling, kept apart from what was spent: estimated_usd.
-- NULL where no money is judged, or an older version wrote the row. Every statement may be repeated.

ALTER TABLE budget_states_store
  ADD COLUMN IF NOT EXISTS estimated_usd Nullable(Decimal(38, 12)) AFTER spent;

ALTER TABLE alert_events_store
  ADD COLUMN IF NOT EXISTS estimated_usd Nullable(Decimal(38, 12)) AFTER threshold;

CREATE OR REPLACE VIEW budget_states AS
SELECT s.org, s.budget_id, s.member, s.period_start, s.period_end, s.unit, s.limit, s.spent, s.estimated_usd,
  s.spent_to_limit_ratio, s.requests, s.unpriced_requests, s.highest_threshold, s.forecast, s.status, s.owner, s.at
FROM budget_states_store AS s FINAL;

CREATE OR REPLACE VIEW alert_events AS
SELECT a.alert_id, a.seq, a.status, a.topic, a.mode, a.basis, a.notify, a.rule, a.kind, a.level, a.severity, a.org,
  a.entity_type, a.entity_id, a.budget_id, a.member, a.period_start, a.period_end, a.at, a.opened_at, a.resolved_at,
  a.unit, a.value, a.threshold, a.estimated_usd, a.owner, a.labels, a.evidence, a.message, a.runbook_url
FROM alert_events_store AS a FINAL;

-- One row per alert episode, as its newest transition says.
CREATE OR REPLACE VIEW alerts AS
SELECT
  a.alert_id AS alert_id,
  argMax(a.topic, a.seq) AS topic,
  argMax(a.mode, a.seq) AS mode,
  argMax(a.basis, a.seq) AS basis,
  max(a.notify) AS notify,
  argMax(a.rule, a.seq) AS rule,
  argMax(a.kind, a.seq) AS kind,
  argMax(a.level, a.seq) AS level,
  argMax(a.severity, a.seq) AS severity,
  argMax(a.status, a.seq) AS status,
  argMax(a.org, a.seq) AS org,
  argMax(a.entity_type, a.seq) AS entity_type,
  argMax(a.entity_id, a.seq) AS entity_id,
  argMax(a.budget_id, a.seq) AS budget_id,
  argMax(a.member, a.seq) AS member,
  argMax(a.period_start, a.seq) AS period_start,
  min(a.opened_at) AS opened_at,
  max(a.at) AS last_change,
  argMax(a.resolved_at, a.seq) AS resolved_at,
  argMax(a.unit, a.seq) AS unit,
  argMax(a.value, a.seq) AS value,
  argMax(a.threshold, a.seq) AS threshold,
  argMax(a.estimated_usd, a.seq) AS estimated_usd,
  argMax(a.owner, a.seq) AS owner,
  argMax(a.message, a.seq) AS message
FROM alert_events_store AS a
GROUP BY a.alert_id;
