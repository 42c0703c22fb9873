-- How each transition of an alert stands with each route: waiting, delivered or parked. The newest word counts.
-- Runs in the database of the settings; every statement may be repeated.

CREATE TABLE IF NOT EXISTS deliveries_store
(
  delivery_id    String,
  org            LowCardinality(String),
  route          LowCardinality(String),
  destination    LowCardinality(String),
  alert_id       String,
  seq            UInt32,
  topic          LowCardinality(String),
  partition      Int32,
  offset         Int64,
  status         LowCardinality(String),
  attempts       UInt32,
  reason         String,
  at             DateTime64(6, 'UTC'),
  request_id     String,
  src_partition  Int32,
  src_offset     Int64
)
ENGINE = ReplacingMergeTree(src_offset)
ORDER BY (org, delivery_id);

CREATE OR REPLACE VIEW deliveries AS
SELECT d.delivery_id, d.org, d.route, d.destination, d.alert_id, d.seq, d.topic, d.partition, d.offset, d.status,
  d.attempts, d.reason, d.at, d.request_id
FROM deliveries_store AS d FINAL;
