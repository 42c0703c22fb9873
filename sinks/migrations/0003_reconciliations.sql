-- Runs of reconciling, beside what each of them found: kind 'difference' is a day of a rollup (or of usage_events itself)
-- that was not equal, kind 'run' sums a run up. A run's row has no requests and no cost, so naive sums stay right.
-- Runs in the database of the settings; every statement may be repeated.

ALTER TABLE reconciliations_store
  ADD COLUMN IF NOT EXISTS kind LowCardinality(String) DEFAULT 'difference',
  ADD COLUMN IF NOT EXISTS state LowCardinality(String) DEFAULT 'done',   -- of a run: running, done, failed
  ADD COLUMN IF NOT EXISTS since Nullable(Date),                         -- the days [since, until) that it is about
  ADD COLUMN IF NOT EXISTS until Nullable(Date),
  ADD COLUMN IF NOT EXISTS days UInt32,                                  -- that have anything to compare
  ADD COLUMN IF NOT EXISTS days_done UInt32,
  ADD COLUMN IF NOT EXISTS days_unequal UInt32,
  ADD COLUMN IF NOT EXISTS events_compared UInt64,                       -- rows of internal.rated looked for in the ledger
  ADD COLUMN IF NOT EXISTS events_restored UInt64,
  ADD COLUMN IF NOT EXISTS duration_sec Float64,
  ADD COLUMN IF NOT EXISTS message String,
  ADD COLUMN IF NOT EXISTS positions Map(Int32, Int64);                  -- up to where internal.rated was stored when it began

CREATE OR REPLACE VIEW reconciliations AS
SELECT r.reconciliation_id, r.at, r.day, r.rollup, r.requests_before, r.requests_ledger, r.cost_before_usd,
  r.cost_ledger_usd, r.rows_repaired, r.reason, r.kind, r.state, r.since, r.until, r.days, r.days_done, r.days_unequal,
  r.events_compared, r.events_restored, r.duration_sec, r.message
FROM reconciliations_store AS r FINAL;
