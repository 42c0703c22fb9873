-- The directory: who belongs to whom, since when; and how much spend it attributes.
-- Runs in the database of the settings; every statement may be repeated.

CREATE TABLE IF NOT EXISTS directory_store
(
  org            LowCardinality(String),
  entity_type    LowCardinality(String),      -- user, agent, credential, team, business_unit, cost_center, identity
  policy_id      String,                      -- entity_id, with the source of an identity and the day
  entity_id      String,
  source         LowCardinality(String),      -- of identities: where the name is one; '' everywhere
  name           String,
  owner          String,
  user           String,
  agent          String,
  team           String,
  business_unit  String,
  cost_center    String,
  since          DateTime('UTC'),             -- 1970 for always
  policy_offset  UInt64,
  is_deleted     UInt8
)
ENGINE = ReplacingMergeTree(policy_offset, is_deleted)
ORDER BY (org, entity_type, policy_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Every entity that ever spent or stands in the directory, a row for each time of validity, with what it spent in it.
-- valid_from is NULL for always, valid_to for still. Never add up different entity types.
CREATE OR REPLACE VIEW entities AS
WITH
  directory AS (
    SELECT
      d.org AS org, d.entity_type AS entity_type, d.entity_id AS entity_id, d.since AS since,
      leadInFrame(d.since, 1) OVER (
        PARTITION BY d.org, d.entity_type, d.entity_id ORDER BY d.since
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
      ) AS until,
      d.name AS name, d.owner AS owner, d.user AS user, d.agent AS agent, d.team AS team,
      d.business_unit AS business_unit, d.cost_center AS cost_center
    FROM directory_store AS d FINAL
    WHERE d.entity_type != 'identity'
  ),
  spent AS (
    SELECT
      r.org AS org, r.entity_type AS entity_type, r.entity_id AS entity_id, r.t AS t,
      sum(r.requests) AS requests, sum(r.cost_usd) AS cost_usd
    FROM usage_entities_store AS r
    GROUP BY org, entity_type, entity_id, t
  )
SELECT
  e.org AS org,
  e.entity_type AS entity_type,
  e.entity_id AS entity_id,
  max(e.known) AS in_directory,
  max(e.name) AS name,
  max(e.owner) AS owner,
  max(e.user) AS user,
  max(e.agent) AS agent,
  max(e.team) AS team,
  max(e.business_unit) AS business_unit,
  max(e.cost_center) AS cost_center,
  nullIf(e.since, toDateTime(0, 'UTC')) AS valid_from,
  nullIf(max(e.until), toDateTime(0, 'UTC')) AS valid_to,
  min(e.first_t) AS first_seen,
  max(e.last_t) AS last_seen,
  sum(e.requests) AS requests,
  sum(e.cost_usd) AS cost_usd
FROM
(
  SELECT
    toString(d.org) AS org, toString(d.entity_type) AS entity_type, d.entity_id AS entity_id, d.since AS since,
    d.until AS until, true AS known, d.name AS name, d.owner AS owner, d.user AS user, d.agent AS agent, d.team AS team,
    d.business_unit AS business_unit, d.cost_center AS cost_center,
    CAST(NULL, 'Nullable(DateTime(\'UTC\'))') AS first_t, CAST(NULL, 'Nullable(DateTime(\'UTC\'))') AS last_t,
    toInt64(0) AS requests, toDecimal128(0, 12) AS cost_usd
  FROM directory AS d
  UNION ALL
  SELECT
    toString(s.org) AS org, toString(s.entity_type) AS entity_type, s.entity_id AS entity_id, d.since AS since,
    toDateTime(0, 'UTC') AS until, false AS known, '' AS name, '' AS owner, '' AS user, '' AS agent, '' AS team,
    '' AS business_unit, '' AS cost_center,
    CAST(min(s.t), 'Nullable(DateTime(\'UTC\'))') AS first_t, CAST(max(s.t), 'Nullable(DateTime(\'UTC\'))') AS last_t,
    sum(s.requests) AS requests, sum(s.cost_usd) AS cost_usd
  FROM spent AS s
  ASOF LEFT JOIN directory AS d
    ON s.org = d.org AND s.entity_type = d.entity_type AND s.entity_id = d.entity_id AND s.t >= d.since
  GROUP BY org, entity_type, entity_id, since
) AS e
GROUP BY org, entity_type, entity_id, e.since;

-- What users are called elsewhere. valid_from is NULL for always, valid_to for still.
CREATE OR REPLACE VIEW identities AS
SELECT
  d.org AS org, d.entity_id AS identity, d.source AS source, d.user AS user,
  nullIf(d.since, toDateTime(0, 'UTC')) AS valid_from,
  nullIf(
    leadInFrame(d.since, 1) OVER (
      PARTITION BY d.org, d.entity_id, d.source ORDER BY d.since
      ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ),
    toDateTime(0, 'UTC')
  ) AS valid_to
FROM directory_store AS d FINAL
WHERE d.entity_type = 'identity';

-- How much of a day's usage has a team, and how much of it says that it is another team's.
CREATE OR REPLACE VIEW attribution_daily AS
SELECT
  toDate(e.ts, 'UTC') AS day,
  e.org AS org,
  toInt64(count()) AS requests,
  sum(toDecimal128(ifNull(e.cost_usd, 0), 12)) AS cost_usd,
  toInt64(countIf(e.team IN ('', 'unattributed'))) AS unattributed_requests,
  sumIf(toDecimal128(ifNull(e.cost_usd, 0), 12), e.team IN ('', 'unattributed')) AS unattributed_cost_usd,
  toInt64(countIf(e.asserted['team'] != '')) AS disputed_requests,
  sumIf(toDecimal128(ifNull(e.cost_usd, 0), 12), e.asserted['team'] != '') AS disputed_cost_usd
FROM usage_events_store AS e FINAL
GROUP BY day, org
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- Corrections may change whom an event is attributed to.
ALTER TABLE usage_corrections_store
  ADD COLUMN IF NOT EXISTS who_before Map(LowCardinality(String), String),   -- user, agent, team, business_unit, cost_center
  ADD COLUMN IF NOT EXISTS who_after Map(LowCardinality(String), String);

CREATE OR REPLACE VIEW corrections AS
SELECT c.correction_id, c.kind, c.at, c.asked_by, c.event_id, c.source, c.id, c.revision, c.correction, c.ts,
  c.import_id, c.org, c.team, c.provider, c.model, c.cost_before_usd, c.cost_after_usd, c.list_cost_before_usd,
  c.list_cost_after_usd, c.ceiling_cost_before_usd, c.ceiling_cost_after_usd, c.pricing_status_before,
  c.pricing_status_after, c.price_book_version_before, c.price_book_version_after, c.who_before, c.who_after
FROM usage_corrections_store AS c FINAL;
