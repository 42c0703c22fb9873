-- What the ledger let go (`BURNLINE_SINK_LEDGER_DAYS`): its sums per rollup, under the name of each expiry, so that a rollup
-- can still be compared: it is the ledger and what expired. One partition is one expiry; names stand in no sort key, so that
-- a person can be forgotten in place.
-- Runs in the database of the settings; every statement may be repeated.

CREATE TABLE IF NOT EXISTS usage_15m_expired_store
(
  expiry                         String,
  t                              DateTime('UTC'),
  org                            LowCardinality(String),
  business_unit                  LowCardinality(String),
  cost_center                    LowCardinality(String),
  team                           LowCardinality(String),
  project                        LowCardinality(String),
  use_case                       LowCardinality(String),
  provider                       LowCardinality(String),
  model                          LowCardinality(String),
  environment                    LowCardinality(String),
  requests                       Int64,
  errors                         Int64,
  unpriced_requests              Int64,
  input_tokens                   Int64,
  output_tokens                  Int64,
  input_uncached_tokens          Int64,
  input_cache_read_tokens        Int64,
  input_cache_write_5m_tokens    Int64,
  input_cache_write_30m_tokens   Int64,
  input_cache_write_1h_tokens    Int64,
  input_cache_write_12h_tokens   Int64,
  input_cache_write_other_tokens Int64,
  input_audio_tokens             Int64,
  input_image_tokens             Int64,
  output_text_tokens             Int64,
  output_reasoning_tokens        Int64,
  output_audio_tokens            Int64,
  output_image_tokens            Int64,
  cost_usd                       Decimal(38, 12),
  list_cost_usd                  Decimal(38, 12),
  ceiling_cost_usd               Decimal(38, 12)
)
ENGINE = MergeTree
PARTITION BY expiry
ORDER BY t
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS usage_entities_expired_store
(
  expiry                         String,
  t                              DateTime('UTC'),
  org                            LowCardinality(String),
  entity_type                    LowCardinality(String),
  entity_id                      String,
  model                          LowCardinality(String),
  requests                       Int64,
  errors                         Int64,
  unpriced_requests              Int64,
  input_tokens                   Int64,
  output_tokens                  Int64,
  input_uncached_tokens          Int64,
  input_cache_read_tokens        Int64,
  input_cache_write_5m_tokens    Int64,
  input_cache_write_30m_tokens   Int64,
  input_cache_write_1h_tokens    Int64,
  input_cache_write_12h_tokens   Int64,
  input_cache_write_other_tokens Int64,
  input_audio_tokens             Int64,
  input_image_tokens             Int64,
  output_text_tokens             Int64,
  output_reasoning_tokens        Int64,
  output_audio_tokens            Int64,
  output_image_tokens            Int64,
  cost_usd                       Decimal(38, 12),
  list_cost_usd                  Decimal(38, 12),
  ceiling_cost_usd               Decimal(38, 12)
)
ENGINE = MergeTree
PARTITION BY expiry
ORDER BY t
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
