-- What usage bought: spend joined to the outcomes that it led to. Laws:
-- 1. An outcome is joined by its task, run, session and call, by a task that is called as its artifact, and by what other
--    outcomes of the same artifact are joined by.
-- 2. All spend of what it is joined by led to it, whenever it was used. What outcomes of one type share is split evenly
--    among them, to the last pico-dollar, call and token: sums over one type count nothing twice. Different types (merged,
--    released) look at the same spend: never add these up.
-- 3. What failed (not accepted, or reverted since) keeps its spend. Missing is not zero: no spend known is NULL.
-- Runs in the database of the settings; every statement may be repeated.

-- How each outcome is joined to usage. Metrics and findings are not: they are about use cases and changes.
CREATE OR REPLACE VIEW outcome_keys AS
WITH
  own AS
  (
    SELECT o.org AS org, o.outcome_id AS outcome_id, o.outcome_type AS outcome_type, o.artifact AS artifact,
      arrayJoin(arrayFilter(pair -> pair.2 != '', [
        ('task', o.task), ('run', o.run), ('session', o.session), ('call', o.call), ('task', o.artifact)])) AS joined_by
    FROM
    (
      -- As in the view outcomes, with these columns only: this is asked for several times in one question.
      SELECT r.org AS org, r.outcome_id AS outcome_id, r.outcome_type AS outcome_type, r.artifact AS artifact,
        r.task AS task, r.run AS run, r.session AS session, r.call AS call, r.void AS void
      FROM outcome_revisions_store AS r
      ORDER BY r.outcome_id, r.revision DESC LIMIT 1 BY r.outcome_id
    ) AS o
    WHERE NOT o.void AND o.outcome_type NOT IN ('metric', 'security_finding')
  )
SELECT org, outcome_id, outcome_type, joined_by.1 AS kind, joined_by.2 AS key FROM own
UNION DISTINCT
SELECT made.org AS org, made.outcome_id AS outcome_id, made.outcome_type AS outcome_type, other.joined_by.1 AS kind,
  other.joined_by.2 AS key
FROM (SELECT DISTINCT org, outcome_id, outcome_type, artifact FROM own WHERE artifact != '') AS made
INNER JOIN (SELECT DISTINCT org, artifact, joined_by FROM own WHERE artifact != '') AS other
  ON made.org = other.org AND made.artifact = other.artifact;

-- The spend of each outcome by the team, use case and model of the usage: its share of what it is joined by. Of one call
-- that several share, some have a share of its cost and none of its count: cost_known says whether any cost is known.
CREATE OR REPLACE VIEW outcome_spend AS
WITH
  spend AS
  (
    SELECT e.org AS org, e.team AS team, e.use_case AS use_case, e.model AS model, e.task AS task, e.run AS run,
      e.session AS session,
      multiIf(
        (e.org, 'call', e.id) IN (SELECT k.org, k.kind, k.key FROM outcome_keys AS k), e.id,
        (e.org, 'call', e.operation_id) IN (SELECT k.org, k.kind, k.key FROM outcome_keys AS k), e.operation_id,
        '') AS call,
      toInt64(count()) AS requests,
      toInt64(countIf(e.cost_usd IS NULL)) AS unpriced_requests,
      toInt64(sum(ifNull(e.input_tokens, 0) + ifNull(e.output_tokens, 0))) AS tokens,
      sum(toDecimal128(ifNull(e.cost_usd, 0), 12)) AS cost_usd
    FROM usage_events AS e
    WHERE (e.org, 'task', e.task) IN (SELECT k.org, k.kind, k.key FROM outcome_keys AS k)
      OR (e.org, 'run', e.run) IN (SELECT k.org, k.kind, k.key FROM outcome_keys AS k)
      OR (e.org, 'session', e.session) IN (SELECT k.org, k.kind, k.key FROM outcome_keys AS k)
      OR (e.org, 'call', e.id) IN (SELECT k.org, k.kind, k.key FROM outcome_keys AS k)
      OR (e.org, 'call', e.operation_id) IN (SELECT k.org, k.kind, k.key FROM outcome_keys AS k)
    GROUP BY org, team, use_case, model, task, run, session, call
  ),
  led_to AS
  (
    SELECT DISTINCT s.org AS org, s.team AS team, s.use_case AS use_case, s.model AS model, s.task AS task, s.run AS run,
      s.session AS session, s.call AS call, s.requests AS requests, s.unpriced_requests AS unpriced_requests,
      s.tokens AS tokens, s.cost_usd AS cost_usd, k.outcome_id AS outcome_id, k.outcome_type AS outcome_type
    FROM
    (
      SELECT *, arrayJoin([('task', task), ('run', run), ('session', session), ('call', call)]) AS named FROM spend
    ) AS s
    INNER JOIN outcome_keys AS k ON s.org = k.org AND s.named.1 = k.kind AND s.named.2 = k.key
  ),
  shared AS
  (
    SELECT *,
      toInt64(count() OVER (PARTITION BY org, team, use_case, model, task, run, session, call, outcome_type)) AS sharing,
      toInt64(row_number() OVER (PARTITION BY org, team, use_case, model, task, run, session, call, outcome_type ORDER BY outcome_id)) AS nth
    FROM led_to
  )
SELECT h.org AS org, h.outcome_id AS outcome_id, h.outcome_type AS outcome_type, h.team AS team, h.use_case AS use_case,
  h.model AS model,
  sum(intDiv(h.requests * h.nth, h.sharing) - intDiv(h.requests * (h.nth - 1), h.sharing)) AS requests,
  sum(intDiv(h.unpriced_requests * h.nth, h.sharing) - intDiv(h.unpriced_requests * (h.nth - 1), h.sharing)) AS unpriced_requests,
  sum(intDiv(h.tokens * h.nth, h.sharing) - intDiv(h.tokens * (h.nth - 1), h.sharing)) AS tokens,
  sum(toDecimal128(toDecimal256(
    intDiv(toInt256(h.cost_usd * 1000000000000) * h.nth, h.sharing)
      - intDiv(toInt256(h.cost_usd * 1000000000000) * (h.nth - 1), h.sharing),
    12) / 1000000000000, 12)) AS cost_usd,
  toBool(max(h.requests > h.unpriced_requests)) AS cost_known
FROM shared AS h
GROUP BY org, outcome_id, outcome_type, team, use_case, model;

-- One row per outcome with all the spend that led to it; cost_usd is NULL where none is known. Where an outcome names no
-- team or use case, those of its spend stand in, if it is of one alone.
CREATE OR REPLACE VIEW outcome_costs AS
SELECT o.outcome_id AS outcome_id, o.ts AS ts, o.org AS org,
  if(o.team = '', s.only_team, toString(o.team)) AS team,
  if(o.use_case = '', s.only_use_case, toString(o.use_case)) AS use_case,
  o.project AS project, o.user AS user, o.agent AS agent, o.language AS language, o.outcome_type AS outcome_type,
  o.artifact AS artifact, o.accepted AS accepted,
  o.artifact != '' AND o.outcome_type != 'reverted' AND (o.org, o.artifact) IN
    (SELECT r.org, r.artifact FROM outcomes AS r WHERE r.outcome_type = 'reverted') AS reverted,
  NOT ifNull(o.accepted, true) OR reverted AS failed,
  o.value_usd AS value_usd, o.minutes_claimed AS minutes_claimed, o.minutes_captured AS minutes_captured,
  o.quality_score AS quality_score,
  ifNull(s.requests, 0) AS requests, ifNull(s.unpriced_requests, 0) AS unpriced_requests, ifNull(s.tokens, 0) AS tokens,
  if(s.cost_known, toNullable(s.cost_usd), NULL) AS cost_usd
FROM outcomes AS o
LEFT JOIN
(
  SELECT p.org AS org, p.outcome_id AS outcome_id,
    if(uniqExact(p.team) = 1, toString(any(p.team)), '') AS only_team,
    if(uniqExact(p.use_case) = 1, toString(any(p.use_case)), '') AS only_use_case,
    sum(p.requests) AS requests, sum(p.unpriced_requests) AS unpriced_requests, sum(p.tokens) AS tokens,
    sum(p.cost_usd) AS cost_usd, max(p.cost_known) AS cost_known
  FROM outcome_spend AS p
  GROUP BY org, outcome_id
) AS s ON s.org = o.org AND s.outcome_id = o.outcome_id
WHERE o.outcome_type NOT IN ('metric', 'security_finding');

-- What an outcome of each type costs, failures included: cost of all that have known spend, divided by how many of those
-- succeeded. low and high: where the true mean lies with a chance of 95 %; NULL where fewer than 5 have known spend.
-- Source: ratio estimate, Cochran, Sampling Techniques (1977), chapter 6; Student's t by Abramowitz and Stegun 26.7.5.
CREATE OR REPLACE VIEW unit_costs AS
SELECT u.org AS org, u.outcome_type AS outcome_type, u.team AS team, u.use_case AS use_case, u.outcomes AS outcomes,
  u.failed AS failed, u.reverted AS reverted, u.with_cost AS with_cost, u.succeeded_with_cost AS succeeded_with_cost,
  u.cost_usd AS cost_usd, u.failed_cost_usd AS failed_cost_usd,
  if(u.succeeded_with_cost > 0, u.cost_usd / greatest(u.succeeded_with_cost, 1), NULL) AS cost_per_success_usd,
  if(u.with_cost >= 5 AND u.succeeded_with_cost > 0, greatest(0., u.mean_usd - u.reach_usd), NULL) AS cost_per_success_low_usd,
  if(u.with_cost >= 5 AND u.succeeded_with_cost > 0, u.mean_usd + u.reach_usd, NULL) AS cost_per_success_high_usd,
  u.requests AS requests, u.unpriced_requests AS unpriced_requests, u.tokens AS tokens, u.value_usd AS value_usd,
  u.minutes_claimed AS minutes_claimed, u.minutes_captured AS minutes_captured
FROM
(
  SELECT c.org AS org, c.outcome_type AS outcome_type, c.team AS team, c.use_case AS use_case,
    toInt64(count()) AS outcomes, toInt64(countIf(c.failed)) AS failed, toInt64(countIf(c.reverted)) AS reverted,
    toInt64(countIf(c.cost_usd IS NOT NULL)) AS with_cost,
    toInt64(countIf(c.cost_usd IS NOT NULL AND NOT c.failed)) AS succeeded_with_cost,
    sum(c.cost_usd) AS cost_usd,
    sumIf(c.cost_usd, c.failed) AS failed_cost_usd,
    toFloat64(cost_usd) / greatest(succeeded_with_cost, 1) AS mean_usd,
    greatest(with_cost - 1, 1) AS freedom,
    1.959964 + 2.372271 / freedom + 2.822498 / (freedom * freedom) AS student_t,
    sum(pow(toFloat64(c.cost_usd), 2)) AS squares,
    sumIf(toFloat64(c.cost_usd), NOT c.failed) AS succeeded_usd,
    student_t * sqrt(greatest(0., squares - 2 * mean_usd * succeeded_usd + mean_usd * mean_usd * succeeded_with_cost)
      * with_cost / freedom) / greatest(succeeded_with_cost, 1) AS reach_usd,
    sum(c.requests) AS requests, sum(c.unpriced_requests) AS unpriced_requests, sum(c.tokens) AS tokens,
    sum(c.value_usd) AS value_usd, sum(c.minutes_claimed) AS minutes_claimed, sum(c.minutes_captured) AS minutes_captured
  FROM outcome_costs AS c
  GROUP BY org, outcome_type, team, use_case
) AS u;

-- Of all spend of each day: what led to an outcome, what names a task, run or session of which none is known (yet), and
-- what names nothing that an outcome could be joined by. The three are cost_usd, exactly.
CREATE OR REPLACE VIEW outcome_coverage AS
SELECT toDate(e.ts, 'UTC') AS t, e.org AS org, e.team AS team, e.use_case AS use_case,
  count() AS requests,
  countIf(e.cost_usd IS NULL) AS unpriced_requests,
  sum(toDecimal128(ifNull(e.cost_usd, 0), 12)) AS cost_usd,
  sumIf(toDecimal128(ifNull(e.cost_usd, 0), 12), has_outcome) AS with_outcome_usd,
  sumIf(toDecimal128(ifNull(e.cost_usd, 0), 12), NOT has_outcome AND has_key) AS without_outcome_usd,
  sumIf(toDecimal128(ifNull(e.cost_usd, 0), 12), NOT has_outcome AND NOT has_key) AS unattributed_usd
FROM
(
  SELECT v.ts AS ts, v.org AS org, v.team AS team, v.use_case AS use_case, v.cost_usd AS cost_usd,
    v.task != '' OR v.run != '' OR v.session != '' AS has_key,
    (v.org, 'task', v.task) IN (SELECT k.org, k.kind, k.key FROM outcome_keys AS k)
      OR (v.org, 'run', v.run) IN (SELECT k.org, k.kind, k.key FROM outcome_keys AS k)
      OR (v.org, 'session', v.session) IN (SELECT k.org, k.kind, k.key FROM outcome_keys AS k)
      OR (v.org, 'call', v.id) IN (SELECT k.org, k.kind, k.key FROM outcome_keys AS k)
      OR (v.org, 'call', v.operation_id) IN (SELECT k.org, k.kind, k.key FROM outcome_keys AS k) AS has_outcome
  FROM usage_events AS v
) AS e
GROUP BY t, org, team, use_case;
