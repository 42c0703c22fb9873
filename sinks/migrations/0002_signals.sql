-- What Burnline concluded: rates, budget states, alerts; and what it could not count.
-- Natural keys and ReplacingMergeTree: storing the same message twice changes nothing.

CREATE TABLE IF NOT EXISTS burn_rates_store
(
  org             LowCardinality(String),
  entity_type     LowCardinality(String),
  entity_id       String,
  window_sec      UInt32,
  window_end      DateTime64(6, 'UTC'),
  requests        Int64,
  tokens          Int64,
  cost_usd        Decimal(38, 12),
  usd_per_hour    Decimal(38, 12),
  tokens_per_min  Decimal(38, 12),
  src_partition   Int32,
  src_offset      Int64
)
ENGINE = ReplacingMergeTree(src_offset)
PARTITION BY toYYYYMMDD(window_end)
ORDER BY (org, entity_type, entity_id, window_sec, window_end)
TTL toDateTime(window_end) + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS budget_states_store
(
  org                   LowCardinality(String),
  budget_id             LowCardinality(String),
  member                String,
  period_start          DateTime64(6, 'UTC'),
  period_end            DateTime64(6, 'UTC'),
  unit                  LowCardinality(String),
  limit                 Decimal(38, 12),
  spent                 Decimal(38, 12),
  spent_to_limit_ratio  Nullable(Float64),
  requests              Int64,
  unpriced_requests     Int64,
  highest_threshold     Nullable(Decimal(18, 6)),
  forecast              Nullable(Decimal(38, 12)),
  status                LowCardinality(String),
  policy_offset         Int64,
  owner                 String,
  at                    DateTime64(6, 'UTC'),
  src_partition         Int32,
  src_offset            Int64
)
ENGINE = ReplacingMergeTree(src_offset)
PARTITION BY toYYYYMM(period_start)
ORDER BY (org, budget_id, member, period_start);

CREATE TABLE IF NOT EXISTS alert_events_store
(
  alert_id      String,
  seq           UInt32,
  status        LowCardinality(String),
  topic         LowCardinality(String),
  mode          LowCardinality(String),
  basis         LowCardinality(String),
  notify        Bool,
  rule          LowCardinality(String),
  kind          LowCardinality(String),
  level         LowCardinality(String),
  severity      LowCardinality(String),
  org           LowCardinality(String),
  entity_type   LowCardinality(String),
  entity_id     String,
  budget_id     String,
  member        String,
  period_start  Nullable(DateTime64(6, 'UTC')),
  period_end    Nullable(DateTime64(6, 'UTC')),
  at            DateTime64(6, 'UTC'),
  opened_at     DateTime64(6, 'UTC'),
  resolved_at   Nullable(DateTime64(6, 'UTC')),
  unit          LowCardinality(String),
  value         Decimal(38, 12),
  threshold     Decimal(38, 12),
  owner         String,
  labels        Map(LowCardinality(String), String),
  evidence      Map(LowCardinality(String), String),
  message       String,
  runbook_url   String
)
ENGINE = ReplacingMergeTree
ORDER BY (alert_id, seq);

CREATE TABLE IF NOT EXISTS dead_letters_store
(
  topic         LowCardinality(String),
  partition     Int32,
  offset        Int64,
  append_time   DateTime64(6, 'UTC'),
  reason        LowCardinality(String),
  path          String,
  message       String,
  key_base64    String,
  value_base64  String CODEC(ZSTD(3)),
  value_bytes   Int64,
  headers       Map(LowCardinality(String), String)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(append_time)
ORDER BY (topic, partition, offset)
TTL toDateTime(append_time) + INTERVAL 90 DAY;

CREATE TABLE IF NOT EXISTS outcomes_store
(
  outcome_id        String,
  ts                DateTime64(6, 'UTC'),
  org               LowCardinality(String),
  team              LowCardinality(String),
  use_case          LowCardinality(String),
  outcome_type      LowCardinality(String),
  run               String,
  task              String,
  session           String,
  accepted          Nullable(Bool),
  reviewer          String,
  risk              LowCardinality(String),
  minutes_claimed   Nullable(Float64),
  minutes_captured  Nullable(Float64),
  value_usd         Nullable(Decimal(38, 12)),
  quality_score     Nullable(Float64),
  revision          UInt32,
  is_deleted        UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(revision, is_deleted)
PARTITION BY toYYYYMM(ts)
ORDER BY (org, outcome_type, outcome_id);

CREATE TABLE IF NOT EXISTS charges_store
(
  charge_id        String,
  ts               DateTime64(6, 'UTC'),
  org              LowCardinality(String),
  business_unit    LowCardinality(String),
  cost_center      LowCardinality(String),
  team             LowCardinality(String),
  provider         LowCardinality(String),
  charge_category  LowCardinality(String),
  charge_class     LowCardinality(String),
  description      String,
  amount_usd       Decimal(38, 12),
  revision         UInt32,
  is_deleted       UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(revision, is_deleted)
PARTITION BY toYYYYMM(ts)
ORDER BY (org, charge_id);

CREATE TABLE IF NOT EXISTS reconciliations_store
(
  reconciliation_id  String,
  at                 DateTime64(6, 'UTC'),
  day                Date,
  rollup             LowCardinality(String),
  requests_before    Int64,
  requests_ledger    Int64,
  cost_before_usd    Decimal(38, 12),
  cost_ledger_usd    Decimal(38, 12),
  rows_repaired      Int64,
  reason             LowCardinality(String)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (day, rollup, reconciliation_id);

CREATE OR REPLACE VIEW burn_rates AS
SELECT r.window_end, r.window_sec, r.org, r.entity_type, r.entity_id, r.requests, r.tokens, r.cost_usd, r.usd_per_hour,
  r.tokens_per_min
FROM burn_rates_store AS r FINAL;

-- The newest rates of each entity; window_end says how new.
CREATE OR REPLACE VIEW burn_now AS
SELECT
  max(r.window_end) AS window_end,
  r.window_sec AS window_sec,
  r.org AS org,
  r.entity_type AS entity_type,
  r.entity_id AS entity_id,
  argMax(r.requests, (r.window_end, r.src_offset)) AS requests,
  argMax(r.tokens, (r.window_end, r.src_offset)) AS tokens,
  argMax(r.cost_usd, (r.window_end, r.src_offset)) AS cost_usd,
  argMax(r.usd_per_hour, (r.window_end, r.src_offset)) AS usd_per_hour,
  argMax(r.tokens_per_min, (r.window_end, r.src_offset)) AS tokens_per_min
FROM burn_rates_store AS r
GROUP BY window_sec, org, entity_type, entity_id;

CREATE OR REPLACE VIEW budget_states AS
SELECT s.org, s.budget_id, s.member, s.period_start, s.period_end, s.unit, s.limit, s.spent, s.spent_to_limit_ratio,
  s.requests, s.unpriced_requests, s.highest_threshold, s.forecast, s.status, s.owner, s.at
FROM budget_states_store AS s FINAL;

CREATE OR REPLACE VIEW alert_events AS
SELECT a.alert_id, a.seq, a.status, a.topic, a.mode, a.basis, a.notify, a.rule, a.kind, a.level, a.severity, a.org,
  a.entity_type, a.entity_id, a.budget_id, a.member, a.period_start, a.period_end, a.at, a.opened_at, a.resolved_at,
  a.unit, a.value, a.threshold, a.owner, a.labels, a.evidence, a.message, a.runbook_url
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
  argMax(a.owner, a.seq) AS owner,
  argMax(a.message, a.seq) AS message
FROM alert_events_store AS a
GROUP BY a.alert_id;

-- Anomalies are the alerts of alerts.anomalies with the numbers of the detector.
CREATE OR REPLACE VIEW anomalies AS
SELECT
  a.alert_id AS anomaly_id,
  argMax(a.org, a.seq) AS org,
  argMax(a.entity_type, a.seq) AS entity_type,
  argMax(a.entity_id, a.seq) AS entity_id,
  argMax(a.rule, a.seq) AS detector,
  argMax(a.status, a.seq) AS status,
  argMax(a.mode, a.seq) AS mode,
  min(a.opened_at) AS opened_at,
  argMax(a.resolved_at, a.seq) AS resolved_at,
  argMax(a.unit, a.seq) AS unit,
  argMax(a.value, a.seq) AS value,
  toFloat64OrNull(argMax(a.evidence['expected'], a.seq)) AS expected,
  toFloat64OrNull(argMax(a.evidence['score'], a.seq)) AS score,
  argMax(a.message, a.seq) AS message
FROM alert_events_store AS a
WHERE a.topic = 'alerts.anomalies'
GROUP BY a.alert_id;

CREATE OR REPLACE VIEW dead_letters AS
SELECT d.topic, d.partition, d.offset, d.append_time, d.reason, d.path, d.message, d.key_base64, d.value_base64,
  d.value_bytes, d.headers
FROM dead_letters_store AS d FINAL;

-- Nothing fills outcomes, charges and reconciliations yet; the columns are agreed.
CREATE OR REPLACE VIEW outcomes AS
SELECT o.outcome_id, o.ts, o.org, o.team, o.use_case, o.outcome_type, o.run, o.task, o.session, o.accepted, o.reviewer,
  o.risk, o.minutes_claimed, o.minutes_captured, o.value_usd, o.quality_score, o.revision
FROM outcomes_store AS o FINAL;

CREATE OR REPLACE VIEW charges AS
SELECT c.charge_id, c.ts, c.org, c.business_unit, c.cost_center, c.team, c.provider, c.charge_category, c.charge_class,
  c.description, c.amount_usd, c.revision
FROM charges_store AS c FINAL;

CREATE OR REPLACE VIEW reconciliations AS
SELECT r.reconciliation_id, r.at, r.day, r.rollup, r.requests_before, r.requests_ledger, r.cost_before_usd,
  r.cost_ledger_usd, r.rows_repaired, r.reason
FROM reconciliations_store AS r FINAL;
