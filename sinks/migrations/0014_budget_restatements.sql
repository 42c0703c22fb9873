-- Late events restate what a budget had spent in a period that is over: what was said when it closed is kept beside what
-- is said now. Every statement may be repeated.

CREATE TABLE IF NOT EXISTS budget_closings_store
(
  org             LowCardinality(String),
  budget_id       LowCardinality(String),
  member          String,
  period_start    DateTime64(6, 'UTC'),
  closed_at       DateTime64(6, 'UTC'),
  limit           Decimal(38, 12),
  spent           Decimal(38, 12),
  estimated_usd   Nullable(Decimal(38, 12)),
  requests        Int64,
  earlier         UInt64    -- the highest is the first state after the end of the period
)
ENGINE = ReplacingMergeTree(earlier)
PARTITION BY toYYYYMM(period_start)
ORDER BY (org, budget_id, member, period_start);

-- A budget that is removed within its period is closed, too; that is no end of the period.
CREATE MATERIALIZED VIEW IF NOT EXISTS budget_closings_mv TO budget_closings_store AS
SELECT s.org AS org, s.budget_id AS budget_id, s.member AS member, s.period_start AS period_start, s.at AS closed_at,
  s.limit AS limit, s.spent AS spent, s.estimated_usd AS estimated_usd, s.requests AS requests,
  bitNot(toUInt64(s.src_offset)) AS earlier
FROM budget_states_store AS s
WHERE s.status = 'closed' AND s.at >= s.period_end;

-- One row per period that is over and has another sum, or another limit, than when it closed.
CREATE OR REPLACE VIEW budget_restatements AS
SELECT
  s.org AS org,
  s.budget_id AS budget_id,
  s.member AS member,
  s.period_start AS period_start,
  s.period_end AS period_end,
  s.unit AS unit,
  c.closed_at AS closed_at,
  c.spent AS spent_at_close,
  s.spent AS spent_now,
  s.spent - c.spent AS change,
  c.estimated_usd AS estimated_usd_at_close,
  s.estimated_usd AS estimated_usd_now,
  c.limit AS limit_at_close,
  s.limit AS limit_now,
  s.requests - c.requests AS more_requests,
  s.owner AS owner,
  s.at AS restated_at
FROM budget_states_store AS s FINAL
INNER JOIN budget_closings_store AS c FINAL
  ON s.org = c.org AND s.budget_id = c.budget_id AND s.member = c.member AND s.period_start = c.period_start
WHERE s.spent != c.spent OR s.limit != c.limit OR ifNull(s.estimated_usd, 0) != ifNull(c.estimated_usd, 0);
