-- What people said of any alert, of governance, too: `anomalies` has labels of anomalies alone.
-- Runs in the database of the settings; every statement may be repeated.

CREATE OR REPLACE VIEW alert_labels AS
SELECT s.org AS org, s.alert_id AS alert_id, s.label AS label, s.said_by AS labelled_by, s.note AS label_note
FROM alert_labels_store AS s FINAL;
