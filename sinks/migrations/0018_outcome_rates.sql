-- What became of outcomes: stages of changes, rates, reviews, metrics. Missing is not zero: who says nothing is counted apart.
-- Runs in the database of the settings; every statement may be repeated.

-- One row per artifact (a change): when it reached each stage, who looked at it, what was found in it.
CREATE OR REPLACE VIEW changes AS
SELECT a.org AS org, a.artifact AS artifact, a.team AS team, a.use_case AS use_case, a.user AS user, a.agent AS agent,
  a.suggested_at AS suggested_at, a.accepted_at AS accepted_at, a.merged_at AS merged_at, a.released_at AS released_at,
  a.reverted_at AS reverted_at, a.closed AS closed, a.risk AS risk,
  arrayFilter(name -> name != '' AND name != a.user, a.reviewers) AS reviewers,
  ifNull(f.findings, 0) AS findings, ifNull(f.open_findings, 0) AS open_findings
FROM
(
  SELECT o.org AS org, o.artifact AS artifact,
    minIf(toString(o.team), o.team != '') AS team, minIf(toString(o.use_case), o.use_case != '') AS use_case,
    minIf(o.user, o.user != '' AND o.outcome_type IN ('suggested', 'merged')) AS user,
    minIf(toString(o.agent), o.agent != '') AS agent,
    minIf(toNullable(o.ts), o.outcome_type = 'suggested') AS suggested_at,
    minIf(toNullable(o.ts), o.outcome_type = 'accepted' AND ifNull(o.accepted, true)) AS accepted_at,
    minIf(toNullable(o.ts), o.outcome_type = 'merged' AND ifNull(o.accepted, true)) AS merged_at,
    minIf(toNullable(o.ts), o.outcome_type = 'released' AND ifNull(o.accepted, true)) AS released_at,
    minIf(toNullable(o.ts), o.outcome_type = 'reverted') AS reverted_at,
    merged_at IS NULL AND countIf(o.outcome_type = 'merged') > 0 AS closed,
    argMaxIf(toString(o.risk), o.ts, o.risk != '') AS risk,
    groupUniqArrayIf(o.reviewer, o.outcome_type IN ('accepted', 'merged') AND ifNull(o.accepted, true)) AS reviewers
  FROM outcomes AS o
  WHERE o.artifact != '' AND o.outcome_type IN ('suggested', 'accepted', 'merged', 'released', 'reverted')
  GROUP BY org, artifact
) AS a
LEFT JOIN
(
  SELECT x.org AS org, x.artifact AS artifact, toInt64(uniqExact(x.outcome_id)) AS findings,
    toInt64(uniqExactIf(x.outcome_id, x.state = 'open')) AS open_findings
  FROM
  (
    -- A finding belongs to the change, or to the commit of one, in which it was seen first: once fixed it is seen elsewhere.
    SELECT r.org AS org, r.outcome_id AS outcome_id, argMax(r.finding_state, r.revision) AS state,
      if(argMinIf(r.artifact, r.revision, r.artifact != '') != '', argMinIf(r.artifact, r.revision, r.artifact != ''),
        any(m.artifact)) AS artifact
    FROM outcome_revisions AS r
    LEFT JOIN
    (
      SELECT c.org AS org, c.commit AS commit, min(c.artifact) AS artifact FROM outcomes AS c
      WHERE c.commit != '' AND c.artifact != '' AND c.outcome_type = 'merged' GROUP BY org, commit
    ) AS m ON m.org = r.org AND m.commit = r.commit
    WHERE r.outcome_type = 'security_finding'
    GROUP BY org, outcome_id
    HAVING NOT argMax(r.void, r.revision) AND artifact != ''
  ) AS x
  GROUP BY org, artifact
) AS f ON f.org = a.org AND f.artifact = a.artifact;

-- How far changes come: suggested, accepted, merged, released, reverted; reviewed by somebody else or not; findings.
CREATE OR REPLACE VIEW code_funnel AS
SELECT c.org AS org, c.team AS team, c.use_case AS use_case, toInt64(count()) AS changes,
  toInt64(countIf(c.suggested_at IS NOT NULL)) AS suggested,
  toInt64(countIf(c.accepted_at IS NOT NULL)) AS accepted,
  toInt64(countIf(c.merged_at IS NOT NULL)) AS merged,
  toInt64(countIf(c.closed)) AS closed_unmerged,
  toInt64(countIf(c.released_at IS NOT NULL)) AS released,
  toInt64(countIf(c.reverted_at IS NOT NULL)) AS reverted,
  toInt64(countIf(c.merged_at IS NOT NULL AND empty(c.reviewers))) AS merged_without_review,
  sumIf(c.findings, c.merged_at IS NOT NULL) AS findings_in_merged,
  sumIf(c.open_findings, c.merged_at IS NOT NULL) AS open_findings_in_merged,
  if(merged > 0, round(findings_in_merged / merged, 4), NULL) AS findings_to_merged_ratio
FROM changes AS c
GROUP BY org, team, use_case;

-- Merged changes that nobody but their author is known to have looked at.
CREATE OR REPLACE VIEW review_gap AS
SELECT c.merged_at AS merged_at, c.org AS org, c.team AS team, c.use_case AS use_case, c.artifact AS artifact,
  c.user AS user, c.agent AS agent, c.risk AS risk, c.open_findings AS open_findings
FROM changes AS c
WHERE c.merged_at IS NOT NULL AND empty(c.reviewers);

-- Accepted, rejected, with a person stepping in, out of the usual way; of how many it is known.
CREATE OR REPLACE VIEW outcome_rates AS
SELECT toStartOfMonth(o.ts) AS month, o.org AS org, o.team AS team, o.use_case AS use_case,
  o.outcome_type AS outcome_type, toInt64(count()) AS outcomes,
  toInt64(countIf(o.accepted)) AS accepted, toInt64(countIf(NOT o.accepted)) AS rejected,
  toInt64(countIf(o.accepted IS NULL)) AS undecided,
  toInt64(countIf(o.intervention)) AS with_intervention, toInt64(countIf(o.intervention IS NOT NULL)) AS intervention_known,
  toInt64(countIf(o.exception)) AS with_exception, toInt64(countIf(o.exception IS NOT NULL)) AS exception_known,
  avg(o.quality_score) AS quality_score
FROM outcomes AS o
WHERE o.outcome_type NOT IN ('metric', 'security_finding')
GROUP BY month, org, team, use_case, outcome_type;

-- Metrics of use cases (cycle time, escalations, conversion), with what the use case spent in the metric's period.
CREATE OR REPLACE VIEW metrics AS
SELECT m.org AS org, m.use_case AS use_case, m.team AS team, m.metric AS metric, m.metric_unit AS unit,
  m.metric_value AS value, m.period_from AS period_from, m.period_until AS period_until, m.ts AS ts,
  if(m.use_case = '' OR m.period_from IS NULL OR m.period_until IS NULL, NULL, s.cost_usd) AS use_case_cost_usd
FROM outcomes AS m
LEFT JOIN
(
  SELECT p.outcome_id AS outcome_id, sum(u.cost_usd) AS cost_usd
  FROM outcomes AS p
  INNER JOIN usage_1d_utc AS u ON u.org = p.org AND u.use_case = p.use_case
  WHERE p.outcome_type = 'metric' AND p.use_case != '' AND u.t >= p.period_from AND u.t < p.period_until
  GROUP BY outcome_id
) AS s ON s.outcome_id = m.outcome_id
WHERE m.outcome_type = 'metric';

-- What each use case cost and brought, by month: spend of the ledger, the value of outcomes, and minutes as they were
-- claimed and as they were captured: two figures, which are never one sum.
CREATE OR REPLACE VIEW value_dashboard AS
SELECT d.month AS month, d.org AS org, d.use_case AS use_case, sum(d.cost_usd) AS cost_usd,
  sum(d.value_usd) AS value_usd, sum(d.minutes_claimed) AS minutes_claimed, sum(d.minutes_captured) AS minutes_captured
FROM
(
  SELECT toStartOfMonth(u.t) AS month, u.org AS org, toString(u.use_case) AS use_case, u.cost_usd AS cost_usd,
    CAST(NULL, 'Nullable(Decimal(38, 12))') AS value_usd,
    CAST(NULL, 'Nullable(Decimal(38, 12))') AS minutes_claimed, CAST(NULL, 'Nullable(Decimal(38, 12))') AS minutes_captured
  FROM usage_1d_utc AS u
  UNION ALL
  SELECT toStartOfMonth(toDate(c.ts, 'UTC')) AS month, c.org AS org, toString(c.use_case) AS use_case,
    toDecimal128(0, 12) AS cost_usd, c.value_usd AS value_usd, c.minutes_claimed AS minutes_claimed, c.minutes_captured AS minutes_captured
  FROM outcomes AS c
  WHERE c.outcome_type NOT IN ('metric', 'security_finding')
) AS d
GROUP BY month, org, use_case;
