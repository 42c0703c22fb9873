-- Why spend changed between any two periods, of each team and use case. Laws:
-- 1. The terms of a team and use case add up to after_usd - before_usd to the last pico-dollar; so do sums over them.
-- 2. Levels from the outside in, as streams/bridge/bridge.py says it, with all tokens as one part of a call: volume,
--    retries, model_mix, cache (the gateway's), tokens_per_call; what is left is cost_per_token. Rates are not known here:
--    `burnline report bridge` takes the last two apart into length, provider cache, reasoning and price.
-- 3. Each level is rounded down once, so a term may differ from the exact one by a pico-dollar per kind of call.
-- Ask: SELECT * FROM spend_bridge(since = '2026-11-01', until = '2026-12-01', before_since = '2026-10-01',
-- before_until = '2026-11-01'). Times are UTC. Calls whose cost is not known are in neither period.
-- Runs in the database of the settings; every statement may be repeated.

CREATE OR REPLACE VIEW spend_bridge AS
WITH
  calls AS
  (
    SELECT e.org AS org, e.team AS team, e.use_case AS use_case, ifNull(e.attempt, 1) > 1 AS again,
      (e.provider, e.model, e.service_tier, e.inference_region, e.region) AS product,
      ifNull(e.gateway_cache_hit, false) AS cached,
      toInt256(countIf(e.ts >= {before_since:DateTime64(6, 'UTC')} AND e.ts < {before_until:DateTime64(6, 'UTC')})) AS n0,
      toInt256(countIf(e.ts >= {since:DateTime64(6, 'UTC')} AND e.ts < {until:DateTime64(6, 'UTC')})) AS n1,
      toInt256(sumIf(ifNull(e.input_tokens, 0) + ifNull(e.output_tokens, 0),
        e.ts >= {before_since:DateTime64(6, 'UTC')} AND e.ts < {before_until:DateTime64(6, 'UTC')})) AS t0,
      toInt256(sumIf(ifNull(e.input_tokens, 0) + ifNull(e.output_tokens, 0),
        e.ts >= {since:DateTime64(6, 'UTC')} AND e.ts < {until:DateTime64(6, 'UTC')})) AS t1,
      toInt256(sumIf(toDecimal128(ifNull(e.cost_usd, 0), 12),
        e.ts >= {before_since:DateTime64(6, 'UTC')} AND e.ts < {before_until:DateTime64(6, 'UTC')}) * 1000000000000) AS c0,
      toInt256(sumIf(toDecimal128(ifNull(e.cost_usd, 0), 12),
        e.ts >= {since:DateTime64(6, 'UTC')} AND e.ts < {until:DateTime64(6, 'UTC')}) * 1000000000000) AS c1
    FROM usage_events AS e
    WHERE e.cost_usd IS NOT NULL
      AND (e.ts >= {before_since:DateTime64(6, 'UTC')} AND e.ts < {before_until:DateTime64(6, 'UTC')}
        OR e.ts >= {since:DateTime64(6, 'UTC')} AND e.ts < {until:DateTime64(6, 'UTC')})
    GROUP BY org, team, use_case, again, product, cached
  ),
  known AS
  (
    SELECT *,
      sumIf(n0, NOT again) OVER (PARTITION BY org, team, use_case) AS firsts0,
      sumIf(n1, NOT again) OVER (PARTITION BY org, team, use_case) AS firsts1
    FROM calls
  ),
  cells AS
  (
    -- Where a period has nothing but attempts again, these are its calls.
    SELECT k.org AS org, k.team AS team, k.use_case AS use_case, k.again AND k.firsts0 > 0 AND k.firsts1 > 0 AS retry,
      k.product AS product, k.cached AS cached,
      sum(k.n0) AS n0, sum(k.n1) AS n1, sum(k.t0) AS t0, sum(k.t1) AS t1, sum(k.c0) AS c0, sum(k.c1) AS c1
    FROM known AS k
    GROUP BY org, team, use_case, retry, product, cached
  ),
  levels AS
  (
    SELECT *,
      sum(n0) OVER (PARTITION BY org, team, use_case, retry) AS r_n0,
      sum(n1) OVER (PARTITION BY org, team, use_case, retry) AS r_n1,
      sum(c0) OVER (PARTITION BY org, team, use_case, retry) AS r_c0,
      sum(c1) OVER (PARTITION BY org, team, use_case, retry) AS r_c1,
      row_number() OVER (PARTITION BY org, team, use_case, retry ORDER BY product, cached) = 1 AS r_once,
      sum(n0) OVER (PARTITION BY org, team, use_case, retry, product) AS p_n0,
      sum(n1) OVER (PARTITION BY org, team, use_case, retry, product) AS p_n1,
      sum(c0) OVER (PARTITION BY org, team, use_case, retry, product) AS p_c0,
      sum(c1) OVER (PARTITION BY org, team, use_case, retry, product) AS p_c1,
      row_number() OVER (PARTITION BY org, team, use_case, retry, product ORDER BY cached) = 1 AS p_once
    FROM cells
  ),
  sums AS
  (
    -- What the period would have cost if only the levels so far had changed.
    SELECT l.org AS org, l.team AS team, l.use_case AS use_case, sum(l.n0) AS calls0, sum(l.n1) AS calls1,
      sumIf(l.n0, NOT l.retry) AS f0, sumIf(l.n1, NOT l.retry) AS f1, sum(l.c0) AS cost0, sum(l.c1) AS cost1,
      calls0 = 0 OR calls1 = 0 AS one_sided,
      if(one_sided, cost1, intDiv(f1 * cost0, greatest(f0, toInt256(1)))) AS by_volume,
      if(one_sided, cost1, sumIf(if(l.r_n0 = 0, l.r_c1, intDiv(l.r_n1 * l.r_c0, greatest(l.r_n0, toInt256(1)))), l.r_once)) AS by_retries,
      if(one_sided, cost1, sumIf(if(l.p_n0 = 0, l.p_c1, intDiv(l.p_n1 * l.p_c0, greatest(l.p_n0, toInt256(1)))), l.p_once)) AS by_mix,
      if(one_sided, cost1, sum(if(l.n0 = 0, l.c1, intDiv(l.n1 * l.c0, greatest(l.n0, toInt256(1)))))) AS by_cache,
      if(one_sided, cost1, sum(multiIf(l.n0 = 0, l.c1, l.t0 = 0 OR l.t1 = 0, intDiv(l.n1 * l.c0, greatest(l.n0, toInt256(1))),
        intDiv(l.t1 * l.c0, greatest(l.t0, toInt256(1)))))) AS by_tokens
    FROM levels AS l
    GROUP BY org, team, use_case
  )
SELECT s.org AS org, s.team AS team, s.use_case AS use_case, s.term.1 AS driver,
  toDecimal128(toDecimal256(s.term.2, 12) / 1000000000000, 12) AS change_usd,
  toDecimal128(toDecimal256(s.cost0, 12) / 1000000000000, 12) AS before_usd,
  toDecimal128(toDecimal256(s.cost1, 12) / 1000000000000, 12) AS after_usd,
  toInt64(s.calls0) AS calls_before, toInt64(s.calls1) AS calls_after
FROM
(
  SELECT *, arrayJoin([
    ('volume', by_volume - cost0), ('retries', by_retries - by_volume), ('model_mix', by_mix - by_retries),
    ('cache', by_cache - by_mix), ('tokens_per_call', by_tokens - by_cache), ('cost_per_token', cost1 - by_tokens)]) AS term
  FROM sums
) AS s;
