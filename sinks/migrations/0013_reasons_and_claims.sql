-- Alerts say why they are over (reason), how often they have changed (transitions), and what burn's own sums say of the
-- change of spend behind them (bridge, JSON). '' where nobody said it, or an older version wrote the row.
-- Charges are attributed as events are: `asserted` has what they said themselves and is not so.
-- Every statement may be repeated.

ALTER TABLE alert_events_store
  ADD COLUMN IF NOT EXISTS reason LowCardinality(String) AFTER resolved_at;

ALTER TABLE alert_events_store
  ADD COLUMN IF NOT EXISTS bridge String AFTER evidence;

CREATE OR REPLACE VIEW alert_events AS
SELECT a.alert_id, a.seq, a.status, a.topic, a.mode, a.basis, a.notify, a.rule, a.kind, a.level, a.severity, a.org,
  a.entity_type, a.entity_id, a.budget_id, a.member, a.period_start, a.period_end, a.at, a.opened_at, a.resolved_at,
  a.reason, a.unit, a.value, a.threshold, a.estimated_usd, a.owner, a.labels, a.evidence, a.bridge, a.message,
  a.runbook_url
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
  argMax(a.reason, a.seq) AS reason,
  max(a.seq) AS transitions,
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
  argMax(a.message, a.seq) AS message,
  argMax(a.bridge, a.seq) AS bridge
FROM alert_events_store AS a
GROUP BY a.alert_id;

ALTER TABLE charges_store
  ADD COLUMN IF NOT EXISTS asserted Map(LowCardinality(String), String);

-- One row per charge, as its highest revision says.
CREATE OR REPLACE VIEW charges AS
SELECT c.charge_id, c.ts, c.received_at, c.source, c.id, c.revision, c.import_id, c.org, c.business_unit,
  c.cost_center, c.team, c.project, c.user, c.credential, c.agent, c.model, c.use_case, c.provider, c.environment,
  c.service, c.pool, c.spend_class, c.purpose, c.kind, c.charge_category, c.charge_class, c.amount_usd, c.service_from,
  c.service_until, c.timezone, c.contract, c.vendor, c.item, c.quantity, c.unit_price_usd, c.asserted
FROM charges_store AS c FINAL;
