-- Corrections that operators asked for: each event that one changed, and how far each is.
-- Runs in the database of the settings; every statement may be repeated.

CREATE TABLE IF NOT EXISTS usage_corrections_store
(
  correction_id               String CODEC(ZSTD(1)),
  kind                        LowCardinality(String),   -- undo, rerate
  at                          DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
  asked_by                    LowCardinality(String),
  event_id                    String CODEC(ZSTD(1)),
  source                      LowCardinality(String),
  id                          String CODEC(ZSTD(1)),
  revision                    UInt32,
  correction                  UInt32,                   -- the how manieth of this revision
  ts                          DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
  import_id                   LowCardinality(String),
  org                         LowCardinality(String),
  team                        LowCardinality(String),
  provider                    LowCardinality(String),
  model                       LowCardinality(String),
  cost_before_usd             Nullable(Decimal(18, 12)),
  cost_after_usd              Nullable(Decimal(18, 12)),
  list_cost_before_usd        Nullable(Decimal(18, 12)),
  list_cost_after_usd         Nullable(Decimal(18, 12)),
  ceiling_cost_before_usd     Nullable(Decimal(18, 12)),
  ceiling_cost_after_usd      Nullable(Decimal(18, 12)),
  pricing_status_before       LowCardinality(String),
  pricing_status_after        LowCardinality(String),
  price_book_version_before   LowCardinality(String),
  price_book_version_after    LowCardinality(String)
)
ENGINE = ReplacingMergeTree(at)
PARTITION BY toYYYYMM(ts)
ORDER BY (correction_id, toStartOfHour(ts), source, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- One row per event and correction; what an undone event costs afterwards is NULL, and its status is 'undone'.
CREATE OR REPLACE VIEW corrections AS
SELECT c.correction_id, c.kind, c.at, c.asked_by, c.event_id, c.source, c.id, c.revision, c.correction, c.ts,
  c.import_id, c.org, c.team, c.provider, c.model, c.cost_before_usd, c.cost_after_usd, c.list_cost_before_usd,
  c.list_cost_after_usd, c.ceiling_cost_before_usd, c.ceiling_cost_after_usd, c.pricing_status_before,
  c.pricing_status_after, c.price_book_version_before, c.price_book_version_after
FROM usage_corrections_store AS c FINAL;

CREATE TABLE IF NOT EXISTS correction_runs_store
(
  correction_id       String,
  kind                LowCardinality(String),
  state               LowCardinality(String),           -- running, done, failed
  asked_by            String,
  asked_at            DateTime64(6, 'UTC'),
  began_at            DateTime64(6, 'UTC'),
  updated_at          DateTime64(6, 'UTC'),
  what                String,                           -- the import, or the price book
  events              UInt64,                           -- that the correction is about
  events_seen         UInt64,                           -- of these, so far
  events_changed      UInt64,
  events_left_alone   UInt64,                           -- they had changed since the prices were made
  days                UInt32,                           -- of which rollups were made equal
  cost_before_usd     Decimal(38, 12),
  cost_after_usd      Decimal(38, 12),
  message             String
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY correction_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE OR REPLACE VIEW correction_runs AS
SELECT r.correction_id, r.kind, r.state, r.asked_by, r.asked_at, r.began_at, r.updated_at, r.what, r.events,
  r.events_seen, r.events_changed, r.events_left_alone, r.days, r.cost_before_usd, r.cost_after_usd, r.message
FROM correction_runs_store AS r FINAL;
