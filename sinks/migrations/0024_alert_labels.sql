-- What people said of alerts: right, nothing, or planned; and anomalies with it.
-- Runs in the database of the settings; every statement may be repeated.

CREATE TABLE IF NOT EXISTS alert_labels_store
(
  org            LowCardinality(String),
  alert_id       String,
  label          LowCardinality(String),      -- confirm, dismiss, planned
  said_by        String,
  note           String,
  policy_offset  UInt64,
  is_deleted     UInt8
)
ENGINE = ReplacingMergeTree(policy_offset, is_deleted)
ORDER BY (org, alert_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE OR REPLACE VIEW anomalies AS
SELECT
  a.anomaly_id AS anomaly_id, a.org AS org, a.entity_type AS entity_type, a.entity_id AS entity_id,
  a.detector AS detector, a.status AS status, a.mode AS mode, a.opened_at AS opened_at, a.resolved_at AS resolved_at,
  a.unit AS unit, a.value AS value, a.expected AS expected, a.score AS score, a.message AS message,
  a.planned AS planned,
  l.label AS label,                           -- '' where nobody has said anything
  l.said_by AS labelled_by,
  l.note AS label_note
FROM
(
  SELECT
    e.alert_id AS anomaly_id,
    argMax(e.org, e.seq) AS org,
    argMax(e.entity_type, e.seq) AS entity_type,
    argMax(e.entity_id, e.seq) AS entity_id,
    argMax(e.rule, e.seq) AS detector,
    argMax(e.status, e.seq) AS status,
    argMax(e.mode, e.seq) AS mode,
    min(e.opened_at) AS opened_at,
    argMax(e.resolved_at, e.seq) AS resolved_at,
    argMax(e.unit, e.seq) AS unit,
    argMax(e.value, e.seq) AS value,
    toFloat64OrNull(argMax(e.evidence['expected'], e.seq)) AS expected,
    toFloat64OrNull(argMax(e.evidence['score'], e.seq)) AS score,
    argMax(e.message, e.seq) AS message,
    argMax(e.evidence['planned'], e.seq) AS planned   -- the note of who announced it; '' where nobody did
  FROM alert_events_store AS e
  WHERE e.topic = 'alerts.anomalies'
  GROUP BY e.alert_id
) AS a
LEFT JOIN (SELECT s.org AS org, s.alert_id AS alert_id, s.label AS label, s.said_by AS said_by, s.note AS note
           FROM alert_labels_store AS s FINAL) AS l
  ON l.org = a.org AND l.alert_id = a.anomaly_id;
