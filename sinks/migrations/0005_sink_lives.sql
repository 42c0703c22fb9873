-- Which life of the sink may repair rollups: the last one. A statement of an earlier one changes nothing.
-- Runs in the database of the settings; every statement may be repeated.

CREATE TABLE IF NOT EXISTS sink_lives_store
(
  life     UInt64,
  life_id  String,
  at       DateTime64(6, 'UTC')
)
ENGINE = MergeTree
ORDER BY life
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
