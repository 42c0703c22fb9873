-- What burns now is asked of a table of its own: the newest rates of each entity and window, a row each, filled as rates
-- are stored. burn_rates keeps every rate that was ever said for 30 days, too many to look through for the newest.
-- Every statement may be repeated.

CREATE TABLE IF NOT EXISTS burn_now_store
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
  src_offset      Int64
)
ENGINE = ReplacingMergeTree(window_end)
ORDER BY (window_sec, entity_type, org, entity_id)
TTL toDateTime(window_end) + INTERVAL 30 DAY;

CREATE MATERIALIZED VIEW IF NOT EXISTS burn_now_mv TO burn_now_store AS
SELECT r.org AS org, r.entity_type AS entity_type, r.entity_id AS entity_id, r.window_sec AS window_sec,
  r.window_end AS window_end, r.requests AS requests, r.tokens AS tokens, r.cost_usd AS cost_usd,
  r.usd_per_hour AS usd_per_hour, r.tokens_per_min AS tokens_per_min, r.src_offset AS src_offset
FROM burn_rates_store AS r;

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
FROM burn_now_store AS r
GROUP BY window_sec, org, entity_type, entity_id;
