-- Of dead letters also: what was read (dialect), how many values were taken out because they may be text or secrets, and
-- whether bytes are missing at the end. Every statement may be repeated.

ALTER TABLE dead_letters_store
  ADD COLUMN IF NOT EXISTS dialect LowCardinality(String) DEFAULT 'burnline',
  ADD COLUMN IF NOT EXISTS redacted_values Int64,
  ADD COLUMN IF NOT EXISTS cut Bool DEFAULT false;

CREATE OR REPLACE VIEW dead_letters AS
SELECT d.topic, d.partition, d.offset, d.append_time, d.reason, d.path, d.message, d.key_base64, d.value_base64,
  d.value_bytes, d.headers, d.dialect, d.redacted_values, d.cut
FROM dead_letters_store AS d FINAL;
