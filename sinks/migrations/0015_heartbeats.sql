-- Heartbeats that went the whole way, and how long each alert took from its cause to its topic.
-- Runs in the database of the settings; every statement may be repeated.

CREATE TABLE IF NOT EXISTS heartbeats_store
(
  lane           UInt16,
  beat_id        String,
  sent_at        DateTime64(6, 'UTC'),
  received_at    DateTime64(6, 'UTC'),
  rated_at       DateTime64(6, 'UTC'),
  published_at   DateTime64(6, 'UTC'),
  stored_at      DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree
ORDER BY (lane, received_at, beat_id)
TTL toDateTime(received_at) + INTERVAL 30 DAY;

-- One row per heartbeat; times are the broker's, but sent_at (its sender's) and stored_at (the store's).
CREATE OR REPLACE VIEW heartbeats AS
SELECT h.lane, h.beat_id, h.sent_at, h.received_at, h.rated_at, h.published_at, h.stored_at
FROM heartbeats_store AS h FINAL;

CREATE TABLE IF NOT EXISTS alert_times_store
(
  alert_id      String,
  seq           UInt32,
  org           LowCardinality(String),
  topic         LowCardinality(String),
  rule          LowCardinality(String),
  status        LowCardinality(String),
  at            DateTime64(6, 'UTC'),
  published_at  DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (alert_id, seq);

-- One row per transition: `at` is when the newest event that it rests on came, `published_at` when it stood on its topic.
CREATE OR REPLACE VIEW alert_times AS
SELECT t.alert_id, t.seq, t.org, t.topic, t.rule, t.status, t.at, t.published_at,
  dateDiff('microsecond', t.at, t.published_at) / 1e6 AS delay_sec
FROM alert_times_store AS t FINAL;
