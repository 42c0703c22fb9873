-- Outcomes: every revision of each, and as they stand. No text: names, numbers, yes or no.
-- The table outcomes_store of 0002 was never filled and stays empty.
-- Runs in the database of the settings; every statement may be repeated.

CREATE TABLE IF NOT EXISTS outcome_revisions_store
(
  outcome_id        String,
  source            LowCardinality(String),
  id                String,
  ts                DateTime64(6, 'UTC'),
  received_at       DateTime64(6, 'UTC'),
  content           String,   -- a hash of what it says: copies have the same
  revision          UInt32,
  void              Bool,
  import_id         LowCardinality(String),
  org               LowCardinality(String),
  business_unit     LowCardinality(String),
  cost_center       LowCardinality(String),
  team              LowCardinality(String),
  project           LowCardinality(String),
  user              String,
  agent             LowCardinality(String),
  service           LowCardinality(String),
  environment       LowCardinality(String),
  use_case          LowCardinality(String),
  language          LowCardinality(String),
  task              String,
  run               String,
  session           String,
  call              String,
  artifact          String,
  commit            String,
  outcome_type      LowCardinality(String),
  accepted          Nullable(Bool),
  intervention      Nullable(Bool),
  exception         Nullable(Bool),
  reviewer          String,
  risk              LowCardinality(String),
  minutes_claimed   Nullable(Decimal(38, 12)),
  minutes_captured  Nullable(Decimal(38, 12)),
  value_usd         Nullable(Decimal(38, 12)),
  quality_score     Nullable(Float64),
  metric            LowCardinality(String),
  metric_value      Nullable(Decimal(38, 12)),
  metric_unit       LowCardinality(String),
  period_from       Nullable(Date32),
  period_until      Nullable(Date32),
  finding_rule      LowCardinality(String),
  finding_state     LowCardinality(String),
  src_partition     Int32,
  src_offset        Int64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (outcome_id, revision);

-- Every word on every outcome: corrections, reversals, what was taken back.
CREATE OR REPLACE VIEW outcome_revisions AS
SELECT r.outcome_id, r.source, r.id, r.revision, r.void, r.ts, r.received_at, r.import_id, r.org, r.business_unit,
  r.cost_center, r.team, r.project, r.user, r.agent, r.service, r.environment, r.use_case, r.language, r.task, r.run,
  r.session, r.call, r.artifact, r.commit, r.outcome_type, r.accepted, r.intervention, r.exception, r.reviewer, r.risk,
  r.minutes_claimed, r.minutes_captured, r.value_usd, r.quality_score, r.metric, r.metric_value, r.metric_unit,
  r.period_from, r.period_until, r.finding_rule, r.finding_state
FROM outcome_revisions_store AS r FINAL;

-- One row per outcome, as its highest revision says; what was taken back is not there.
CREATE OR REPLACE VIEW outcomes AS
SELECT o.outcome_id, o.source, o.id, o.revision, o.ts, o.received_at, o.import_id, o.org, o.business_unit,
  o.cost_center, o.team, o.project, o.user, o.agent, o.service, o.environment, o.use_case, o.language, o.task, o.run,
  o.session, o.call, o.artifact, o.commit, o.outcome_type, o.accepted, o.intervention, o.exception, o.reviewer, o.risk,
  o.minutes_claimed, o.minutes_captured, o.value_usd, o.quality_score, o.metric, o.metric_value, o.metric_unit,
  o.period_from, o.period_until, o.finding_rule, o.finding_state
FROM
(
  SELECT * FROM outcome_revisions_store ORDER BY outcome_id, revision DESC LIMIT 1 BY outcome_id
) AS o
WHERE NOT o.void;
