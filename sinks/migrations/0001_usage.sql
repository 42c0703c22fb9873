-- The usage ledger: what rating priced, its rollups, and the views that analysts see.
-- Names that end in _store are storage and nobody's contract; the views are right under a naive SELECT sum().
-- Strings that were not given are '' (the contract refuses empty names, so '' is unambiguous); numbers are NULL.
-- Runs in the database of the settings; every statement may be repeated.

CREATE TABLE IF NOT EXISTS usage_events_store
(
  event_id                       String CODEC(ZSTD(1)),
  source                         LowCardinality(String),
  id                             String CODEC(ZSTD(1)),
  revision                       UInt32,
  ts                             DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
  received_at                    DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
  import_id                      LowCardinality(String),
  org                            LowCardinality(String),
  business_unit                  LowCardinality(String),
  cost_center                    LowCardinality(String),
  team                           LowCardinality(String),
  project                        LowCardinality(String),
  user                           String CODEC(ZSTD(1)),
  end_user                       String CODEC(ZSTD(1)),
  credential                     LowCardinality(String),
  agent                          LowCardinality(String),
  service                        LowCardinality(String),
  environment                    LowCardinality(String),
  auth_type                      LowCardinality(String),
  identity_trust                 LowCardinality(String),
  asserted                       Map(LowCardinality(String), String),
  run                            String CODEC(ZSTD(1)),
  session                        String CODEC(ZSTD(1)),
  task                           String CODEC(ZSTD(1)),
  task_class                     LowCardinality(String),
  task_template                  LowCardinality(String),
  use_case                       LowCardinality(String),
  purpose                        LowCardinality(String),
  spend_class                    LowCardinality(String),
  pool                           LowCardinality(String),
  operation                      LowCardinality(String),
  operation_id                   String CODEC(ZSTD(1)),
  attempt                        Nullable(UInt32),
  parent_event_id                String CODEC(ZSTD(1)),
  request_kind                   LowCardinality(String),
  step                           Nullable(UInt32),
  tool                           LowCardinality(String),
  tool_call_hash                 String CODEC(ZSTD(1)),
  language                       LowCardinality(String),
  provider                       LowCardinality(String),
  requested_model                LowCardinality(String),
  model                          LowCardinality(String),
  service_tier                   LowCardinality(String),
  hosting                        LowCardinality(String),
  region                         LowCardinality(String),
  data_region                    LowCardinality(String),
  inference_region               LowCardinality(String),
  data_class                     LowCardinality(String),
  client_address_hash            String CODEC(ZSTD(1)),
  user_agent                     String CODEC(ZSTD(1)),
  input_tokens                   Nullable(Int64) CODEC(T64, ZSTD(1)),
  output_tokens                  Nullable(Int64) CODEC(T64, ZSTD(1)),
  input_uncached_tokens          Nullable(Int64) CODEC(T64, ZSTD(1)),
  input_cache_read_tokens        Nullable(Int64) CODEC(T64, ZSTD(1)),
  input_cache_write_5m_tokens    Nullable(Int64) CODEC(T64, ZSTD(1)),
  input_cache_write_30m_tokens   Nullable(Int64) CODEC(T64, ZSTD(1)),
  input_cache_write_1h_tokens    Nullable(Int64) CODEC(T64, ZSTD(1)),
  input_cache_write_12h_tokens   Nullable(Int64) CODEC(T64, ZSTD(1)),
  input_cache_write_other_tokens Nullable(Int64) CODEC(T64, ZSTD(1)),
  input_audio_tokens             Nullable(Int64) CODEC(T64, ZSTD(1)),
  input_image_tokens             Nullable(Int64) CODEC(T64, ZSTD(1)),
  output_text_tokens             Nullable(Int64) CODEC(T64, ZSTD(1)),
  output_reasoning_tokens        Nullable(Int64) CODEC(T64, ZSTD(1)),
  output_audio_tokens            Nullable(Int64) CODEC(T64, ZSTD(1)),
  output_image_tokens            Nullable(Int64) CODEC(T64, ZSTD(1)),
  units                          Map(LowCardinality(String), Float64),
  estimated_tokens               Nullable(Int64) CODEC(T64, ZSTD(1)),
  usage_source                   LowCardinality(String),
  gateway_cache_hit              Nullable(Bool),
  status                         LowCardinality(String),
  http_status                    Nullable(UInt16),
  finish_reason                  LowCardinality(String),
  latency_ms                     Nullable(UInt32),
  ttft_ms                        Nullable(UInt32),
  prompt_fingerprint             String CODEC(ZSTD(1)),
  prefix_fingerprint             String CODEC(ZSTD(1)),
  cost_usd                       Nullable(Decimal(18, 12)),
  list_cost_usd                  Nullable(Decimal(18, 12)),
  as_charged_cost_usd            Nullable(Decimal(18, 12)),
  reported_cost_usd              Nullable(Decimal(18, 12)),
  ceiling_cost_usd               Nullable(Decimal(18, 12)),
  pricing_status                 LowCardinality(String),
  price_book_version             LowCardinality(String),
  tags                           Map(LowCardinality(String), String),
  live                           Bool,
  maybe_duplicate                Bool,
  corrects                       Bool,    -- rating sent no sums for it
  astray                         Bool,    -- it came in another partition than its copies will
  void                           Bool,    -- its emitter says that it counts as nothing
  policy_offset                  Int64,
  event_partition                Int32,
  event_offset                   Int64,
  is_deleted                     UInt8 DEFAULT void,
  correction                     UInt32,  -- how often this revision was corrected: undone, rated anew
  version                        UInt64 DEFAULT bitOr(bitShiftLeft(toUInt64(revision), 32), correction),
  src_partition                  Int32,   -- place of the row in internal.rated: partition, offset, index in the message
  src_offset                     Int64,
  src_index                      Int32,
  group_id                       String CODEC(ZSTD(1)),   -- the insert that brought it; also its deduplication token
  INDEX ix_event_id event_id TYPE bloom_filter(0.01) GRANULARITY 2,
  INDEX ix_group group_id TYPE bloom_filter(0.01) GRANULARITY 2,
  INDEX ix_src_offset src_offset TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(ts)
ORDER BY (toStartOfHour(ts), source, id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS usage_15m_store
(
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
ENGINE = SummingMergeTree((requests, errors, unpriced_requests, input_tokens, output_tokens, input_uncached_tokens, input_cache_read_tokens, input_cache_write_5m_tokens, input_cache_write_30m_tokens, input_cache_write_1h_tokens, input_cache_write_12h_tokens, input_cache_write_other_tokens, input_audio_tokens, input_image_tokens, output_text_tokens, output_reasoning_tokens, output_audio_tokens, output_image_tokens, cost_usd, list_cost_usd, ceiling_cost_usd))
PARTITION BY toYYYYMM(t)
ORDER BY (org, t, team, provider, model, business_unit, cost_center, project, use_case, environment)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS usage_15m_mv TO usage_15m_store AS
SELECT
  toDateTime(toStartOfFifteenMinutes(e.ts), 'UTC') AS t,
  e.org AS org,
  e.business_unit AS business_unit,
  e.cost_center AS cost_center,
  e.team AS team,
  e.project AS project,
  e.use_case AS use_case,
  e.provider AS provider,
  e.model AS model,
  e.environment AS environment,
  toInt64(count()) AS requests,
  toInt64(countIf(e.status = 'error')) AS errors,
  toInt64(countIf(e.pricing_status LIKE 'unpriced%')) AS unpriced_requests,
  toInt64(ifNull(sum(e.input_tokens), 0)) AS input_tokens,
  toInt64(ifNull(sum(e.output_tokens), 0)) AS output_tokens,
  toInt64(ifNull(sum(e.input_uncached_tokens), 0)) AS input_uncached_tokens,
  toInt64(ifNull(sum(e.input_cache_read_tokens), 0)) AS input_cache_read_tokens,
  toInt64(ifNull(sum(e.input_cache_write_5m_tokens), 0)) AS input_cache_write_5m_tokens,
  toInt64(ifNull(sum(e.input_cache_write_30m_tokens), 0)) AS input_cache_write_30m_tokens,
  toInt64(ifNull(sum(e.input_cache_write_1h_tokens), 0)) AS input_cache_write_1h_tokens,
  toInt64(ifNull(sum(e.input_cache_write_12h_tokens), 0)) AS input_cache_write_12h_tokens,
  toInt64(ifNull(sum(e.input_cache_write_other_tokens), 0)) AS input_cache_write_other_tokens,
  toInt64(ifNull(sum(e.input_audio_tokens), 0)) AS input_audio_tokens,
  toInt64(ifNull(sum(e.input_image_tokens), 0)) AS input_image_tokens,
  toInt64(ifNull(sum(e.output_text_tokens), 0)) AS output_text_tokens,
  toInt64(ifNull(sum(e.output_reasoning_tokens), 0)) AS output_reasoning_tokens,
  toInt64(ifNull(sum(e.output_audio_tokens), 0)) AS output_audio_tokens,
  toInt64(ifNull(sum(e.output_image_tokens), 0)) AS output_image_tokens,
  ifNull(sum(toDecimal128(e.cost_usd, 12)), 0) AS cost_usd,
  ifNull(sum(toDecimal128(e.list_cost_usd, 12)), 0) AS list_cost_usd,
  ifNull(sum(toDecimal128(e.ceiling_cost_usd, 12)), 0) AS ceiling_cost_usd
FROM usage_events_store AS e
WHERE e.is_deleted = 0 AND e.correction = 0
GROUP BY t, org, business_unit, cost_center, team, project, use_case, provider, model, environment;

CREATE TABLE IF NOT EXISTS usage_entities_store
(
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
ENGINE = SummingMergeTree((requests, errors, unpriced_requests, input_tokens, output_tokens, input_uncached_tokens, input_cache_read_tokens, input_cache_write_5m_tokens, input_cache_write_30m_tokens, input_cache_write_1h_tokens, input_cache_write_12h_tokens, input_cache_write_other_tokens, input_audio_tokens, input_image_tokens, output_text_tokens, output_reasoning_tokens, output_audio_tokens, output_image_tokens, cost_usd, list_cost_usd, ceiling_cost_usd))
PARTITION BY toYYYYMM(t)
ORDER BY (org, entity_type, entity_id, t, model)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS usage_entities_mv TO usage_entities_store AS
SELECT
  s.t AS t,
  s.org AS org,
  pair.1 AS entity_type,
  pair.2 AS entity_id,
  s.model AS model,
  sum(s.requests) AS requests,
  sum(s.errors) AS errors,
  sum(s.unpriced_requests) AS unpriced_requests,
  sum(s.input_tokens) AS input_tokens,
  sum(s.output_tokens) AS output_tokens,
  sum(s.input_uncached_tokens) AS input_uncached_tokens,
  sum(s.input_cache_read_tokens) AS input_cache_read_tokens,
  sum(s.input_cache_write_5m_tokens) AS input_cache_write_5m_tokens,
  sum(s.input_cache_write_30m_tokens) AS input_cache_write_30m_tokens,
  sum(s.input_cache_write_1h_tokens) AS input_cache_write_1h_tokens,
  sum(s.input_cache_write_12h_tokens) AS input_cache_write_12h_tokens,
  sum(s.input_cache_write_other_tokens) AS input_cache_write_other_tokens,
  sum(s.input_audio_tokens) AS input_audio_tokens,
  sum(s.input_image_tokens) AS input_image_tokens,
  sum(s.output_text_tokens) AS output_text_tokens,
  sum(s.output_reasoning_tokens) AS output_reasoning_tokens,
  sum(s.output_audio_tokens) AS output_audio_tokens,
  sum(s.output_image_tokens) AS output_image_tokens,
  sum(s.cost_usd) AS cost_usd,
  sum(s.list_cost_usd) AS list_cost_usd,
  sum(s.ceiling_cost_usd) AS ceiling_cost_usd
FROM (SELECT toDateTime(toStartOfFifteenMinutes(e.ts), 'UTC') AS t, e.org AS org, e.business_unit AS business_unit,
  e.cost_center AS cost_center, e.team AS team, e.project AS project, e.user AS user, e.credential AS credential,
  e.agent AS agent, e.use_case AS use_case, e.model AS model, toInt64(count()) AS requests, toInt64(countIf(e.status =
  'error')) AS errors, toInt64(countIf(e.pricing_status LIKE 'unpriced%')) AS unpriced_requests,
  toInt64(ifNull(sum(e.input_tokens), 0)) AS input_tokens, toInt64(ifNull(sum(e.output_tokens), 0)) AS output_tokens,
  toInt64(ifNull(sum(e.input_uncached_tokens), 0)) AS input_uncached_tokens,
  toInt64(ifNull(sum(e.input_cache_read_tokens), 0)) AS input_cache_read_tokens,
  toInt64(ifNull(sum(e.input_cache_write_5m_tokens), 0)) AS input_cache_write_5m_tokens,
  toInt64(ifNull(sum(e.input_cache_write_30m_tokens), 0)) AS input_cache_write_30m_tokens,
  toInt64(ifNull(sum(e.input_cache_write_1h_tokens), 0)) AS input_cache_write_1h_tokens,
  toInt64(ifNull(sum(e.input_cache_write_12h_tokens), 0)) AS input_cache_write_12h_tokens,
  toInt64(ifNull(sum(e.input_cache_write_other_tokens), 0)) AS input_cache_write_other_tokens,
  toInt64(ifNull(sum(e.input_audio_tokens), 0)) AS input_audio_tokens, toInt64(ifNull(sum(e.input_image_tokens), 0))
  AS input_image_tokens, toInt64(ifNull(sum(e.output_text_tokens), 0)) AS output_text_tokens,
  toInt64(ifNull(sum(e.output_reasoning_tokens), 0)) AS output_reasoning_tokens,
  toInt64(ifNull(sum(e.output_audio_tokens), 0)) AS output_audio_tokens, toInt64(ifNull(sum(e.output_image_tokens),
  0)) AS output_image_tokens, ifNull(sum(toDecimal128(e.cost_usd, 12)), 0) AS cost_usd,
  ifNull(sum(toDecimal128(e.list_cost_usd, 12)), 0) AS list_cost_usd, ifNull(sum(toDecimal128(e.ceiling_cost_usd,
  12)), 0) AS ceiling_cost_usd FROM usage_events_store AS e WHERE e.is_deleted = 0 AND
  e.correction = 0 GROUP BY t, org, business_unit,
  cost_center, team, project, user, credential, agent, use_case, model) AS s ARRAY JOIN [('org', toString(s.org)),
  ('business_unit', toString(s.business_unit)), ('cost_center', toString(s.cost_center)), ('team', toString(s.team)),
  ('project', toString(s.project)), ('user', toString(s.user)), ('credential', toString(s.credential)), ('agent',
  toString(s.agent)), ('use_case', toString(s.use_case))] AS pair
WHERE pair.2 != ''
GROUP BY t, org, entity_type, entity_id, model;

CREATE OR REPLACE VIEW usage_events AS
SELECT
  e.event_id, e.source, e.id, e.revision, e.ts, e.received_at, e.import_id, e.org, e.business_unit,
  e.cost_center, e.team, e.project, e.user, e.end_user, e.credential, e.agent, e.service, e.environment,
  e.auth_type, e.identity_trust, e.asserted, e.run, e.session, e.task, e.task_class, e.task_template,
  e.use_case, e.purpose, e.spend_class, e.pool, e.operation, e.operation_id, e.attempt, e.parent_event_id,
  e.request_kind, e.step, e.tool, e.tool_call_hash, e.language, e.provider, e.requested_model, e.model,
  e.service_tier, e.hosting, e.region, e.data_region, e.inference_region, e.data_class, e.client_address_hash,
  e.user_agent, e.input_tokens, e.output_tokens, e.input_uncached_tokens, e.input_cache_read_tokens,
  e.input_cache_write_5m_tokens, e.input_cache_write_30m_tokens, e.input_cache_write_1h_tokens,
  e.input_cache_write_12h_tokens, e.input_cache_write_other_tokens, e.input_audio_tokens, e.input_image_tokens,
  e.output_text_tokens, e.output_reasoning_tokens, e.output_audio_tokens, e.output_image_tokens, e.units,
  e.estimated_tokens, e.usage_source, e.gateway_cache_hit, e.status, e.http_status, e.finish_reason,
  e.latency_ms, e.ttft_ms, e.prompt_fingerprint, e.prefix_fingerprint, e.cost_usd, e.list_cost_usd,
  e.as_charged_cost_usd, e.reported_cost_usd, e.ceiling_cost_usd, e.pricing_status, e.price_book_version,
  e.tags, e.correction
FROM usage_events_store AS e FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- Sums by 15 minutes; t is the start of the bucket, UTC.
CREATE OR REPLACE VIEW usage_15m AS
SELECT
  r.t AS t,
  r.org AS org,
  r.business_unit AS business_unit,
  r.cost_center AS cost_center,
  r.team AS team,
  r.project AS project,
  r.use_case AS use_case,
  r.provider AS provider,
  r.model AS model,
  r.environment AS environment,
  sum(r.requests) AS requests,
  sum(r.errors) AS errors,
  sum(r.unpriced_requests) AS unpriced_requests,
  sum(r.input_tokens) AS input_tokens,
  sum(r.output_tokens) AS output_tokens,
  sum(r.input_uncached_tokens) AS input_uncached_tokens,
  sum(r.input_cache_read_tokens) AS input_cache_read_tokens,
  sum(r.input_cache_write_5m_tokens) AS input_cache_write_5m_tokens,
  sum(r.input_cache_write_30m_tokens) AS input_cache_write_30m_tokens,
  sum(r.input_cache_write_1h_tokens) AS input_cache_write_1h_tokens,
  sum(r.input_cache_write_12h_tokens) AS input_cache_write_12h_tokens,
  sum(r.input_cache_write_other_tokens) AS input_cache_write_other_tokens,
  sum(r.input_audio_tokens) AS input_audio_tokens,
  sum(r.input_image_tokens) AS input_image_tokens,
  sum(r.output_text_tokens) AS output_text_tokens,
  sum(r.output_reasoning_tokens) AS output_reasoning_tokens,
  sum(r.output_audio_tokens) AS output_audio_tokens,
  sum(r.output_image_tokens) AS output_image_tokens,
  sum(r.cost_usd) AS cost_usd,
  sum(r.list_cost_usd) AS list_cost_usd,
  sum(r.ceiling_cost_usd) AS ceiling_cost_usd
FROM usage_15m_store AS r
GROUP BY t, org, business_unit, cost_center, team, project, use_case, provider, model, environment;

-- Sums by hour of UTC.
CREATE OR REPLACE VIEW usage_1h AS
SELECT
  toStartOfHour(r.t) AS t,
  r.org AS org,
  r.business_unit AS business_unit,
  r.cost_center AS cost_center,
  r.team AS team,
  r.project AS project,
  r.use_case AS use_case,
  r.provider AS provider,
  r.model AS model,
  r.environment AS environment,
  sum(r.requests) AS requests,
  sum(r.errors) AS errors,
  sum(r.unpriced_requests) AS unpriced_requests,
  sum(r.input_tokens) AS input_tokens,
  sum(r.output_tokens) AS output_tokens,
  sum(r.input_uncached_tokens) AS input_uncached_tokens,
  sum(r.input_cache_read_tokens) AS input_cache_read_tokens,
  sum(r.input_cache_write_5m_tokens) AS input_cache_write_5m_tokens,
  sum(r.input_cache_write_30m_tokens) AS input_cache_write_30m_tokens,
  sum(r.input_cache_write_1h_tokens) AS input_cache_write_1h_tokens,
  sum(r.input_cache_write_12h_tokens) AS input_cache_write_12h_tokens,
  sum(r.input_cache_write_other_tokens) AS input_cache_write_other_tokens,
  sum(r.input_audio_tokens) AS input_audio_tokens,
  sum(r.input_image_tokens) AS input_image_tokens,
  sum(r.output_text_tokens) AS output_text_tokens,
  sum(r.output_reasoning_tokens) AS output_reasoning_tokens,
  sum(r.output_audio_tokens) AS output_audio_tokens,
  sum(r.output_image_tokens) AS output_image_tokens,
  sum(r.cost_usd) AS cost_usd,
  sum(r.list_cost_usd) AS list_cost_usd,
  sum(r.ceiling_cost_usd) AS ceiling_cost_usd
FROM usage_15m_store AS r
GROUP BY t, org, business_unit, cost_center, team, project, use_case, provider, model, environment;

-- Sums by day of UTC.
CREATE OR REPLACE VIEW usage_1d_utc AS
SELECT
  toDate(r.t, 'UTC') AS t,
  r.org AS org,
  r.business_unit AS business_unit,
  r.cost_center AS cost_center,
  r.team AS team,
  r.project AS project,
  r.use_case AS use_case,
  r.provider AS provider,
  r.model AS model,
  r.environment AS environment,
  sum(r.requests) AS requests,
  sum(r.errors) AS errors,
  sum(r.unpriced_requests) AS unpriced_requests,
  sum(r.input_tokens) AS input_tokens,
  sum(r.output_tokens) AS output_tokens,
  sum(r.input_uncached_tokens) AS input_uncached_tokens,
  sum(r.input_cache_read_tokens) AS input_cache_read_tokens,
  sum(r.input_cache_write_5m_tokens) AS input_cache_write_5m_tokens,
  sum(r.input_cache_write_30m_tokens) AS input_cache_write_30m_tokens,
  sum(r.input_cache_write_1h_tokens) AS input_cache_write_1h_tokens,
  sum(r.input_cache_write_12h_tokens) AS input_cache_write_12h_tokens,
  sum(r.input_cache_write_other_tokens) AS input_cache_write_other_tokens,
  sum(r.input_audio_tokens) AS input_audio_tokens,
  sum(r.input_image_tokens) AS input_image_tokens,
  sum(r.output_text_tokens) AS output_text_tokens,
  sum(r.output_reasoning_tokens) AS output_reasoning_tokens,
  sum(r.output_audio_tokens) AS output_audio_tokens,
  sum(r.output_image_tokens) AS output_image_tokens,
  sum(r.cost_usd) AS cost_usd,
  sum(r.list_cost_usd) AS list_cost_usd,
  sum(r.ceiling_cost_usd) AS ceiling_cost_usd
FROM usage_15m_store AS r
GROUP BY t, org, business_unit, cost_center, team, project, use_case, provider, model, environment;

-- Sums by day of a time zone: SELECT * FROM usage_daily(tz = 'Asia/Kolkata').
CREATE OR REPLACE VIEW usage_daily AS
SELECT
  toDate(r.t, {tz:String}) AS t,
  r.org AS org,
  r.business_unit AS business_unit,
  r.cost_center AS cost_center,
  r.team AS team,
  r.project AS project,
  r.use_case AS use_case,
  r.provider AS provider,
  r.model AS model,
  r.environment AS environment,
  sum(r.requests) AS requests,
  sum(r.errors) AS errors,
  sum(r.unpriced_requests) AS unpriced_requests,
  sum(r.input_tokens) AS input_tokens,
  sum(r.output_tokens) AS output_tokens,
  sum(r.input_uncached_tokens) AS input_uncached_tokens,
  sum(r.input_cache_read_tokens) AS input_cache_read_tokens,
  sum(r.input_cache_write_5m_tokens) AS input_cache_write_5m_tokens,
  sum(r.input_cache_write_30m_tokens) AS input_cache_write_30m_tokens,
  sum(r.input_cache_write_1h_tokens) AS input_cache_write_1h_tokens,
  sum(r.input_cache_write_12h_tokens) AS input_cache_write_12h_tokens,
  sum(r.input_cache_write_other_tokens) AS input_cache_write_other_tokens,
  sum(r.input_audio_tokens) AS input_audio_tokens,
  sum(r.input_image_tokens) AS input_image_tokens,
  sum(r.output_text_tokens) AS output_text_tokens,
  sum(r.output_reasoning_tokens) AS output_reasoning_tokens,
  sum(r.output_audio_tokens) AS output_audio_tokens,
  sum(r.output_image_tokens) AS output_image_tokens,
  sum(r.cost_usd) AS cost_usd,
  sum(r.list_cost_usd) AS list_cost_usd,
  sum(r.ceiling_cost_usd) AS ceiling_cost_usd
FROM usage_15m_store AS r
GROUP BY t, org, business_unit, cost_center, team, project, use_case, provider, model, environment;

-- Sums by hour and entity (org, team, user, credential, agent, ...): never add up different entity types.
CREATE OR REPLACE VIEW usage_entities_1h AS
SELECT
  toStartOfHour(r.t) AS t,
  r.org AS org,
  r.entity_type AS entity_type,
  r.entity_id AS entity_id,
  r.model AS model,
  sum(r.requests) AS requests,
  sum(r.errors) AS errors,
  sum(r.unpriced_requests) AS unpriced_requests,
  sum(r.input_tokens) AS input_tokens,
  sum(r.output_tokens) AS output_tokens,
  sum(r.input_uncached_tokens) AS input_uncached_tokens,
  sum(r.input_cache_read_tokens) AS input_cache_read_tokens,
  sum(r.input_cache_write_5m_tokens) AS input_cache_write_5m_tokens,
  sum(r.input_cache_write_30m_tokens) AS input_cache_write_30m_tokens,
  sum(r.input_cache_write_1h_tokens) AS input_cache_write_1h_tokens,
  sum(r.input_cache_write_12h_tokens) AS input_cache_write_12h_tokens,
  sum(r.input_cache_write_other_tokens) AS input_cache_write_other_tokens,
  sum(r.input_audio_tokens) AS input_audio_tokens,
  sum(r.input_image_tokens) AS input_image_tokens,
  sum(r.output_text_tokens) AS output_text_tokens,
  sum(r.output_reasoning_tokens) AS output_reasoning_tokens,
  sum(r.output_audio_tokens) AS output_audio_tokens,
  sum(r.output_image_tokens) AS output_image_tokens,
  sum(r.cost_usd) AS cost_usd,
  sum(r.list_cost_usd) AS list_cost_usd,
  sum(r.ceiling_cost_usd) AS ceiling_cost_usd
FROM usage_entities_store AS r
GROUP BY t, org, entity_type, entity_id, model;

-- Every entity that ever spent, and since when.
CREATE OR REPLACE VIEW entities AS
SELECT
  r.org AS org,
  r.entity_type AS entity_type,
  r.entity_id AS entity_id,
  min(r.t) AS first_seen,
  max(r.t) AS last_seen,
  sum(r.requests) AS requests,
  sum(r.cost_usd) AS cost_usd
FROM usage_entities_store AS r
GROUP BY org, entity_type, entity_id;
