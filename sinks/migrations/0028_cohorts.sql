-- Who is whose peer, as the directory says: people and agents of one cohort are compared with one another.
-- Runs in the database of the settings; every statement may be repeated.

ALTER TABLE directory_store ADD COLUMN IF NOT EXISTS cohort LowCardinality(String);
