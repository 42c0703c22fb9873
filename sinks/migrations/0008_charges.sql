-- Charges: who, which service period, which contract; and what each day of them is worth. No description: it could hold
-- anything. Every statement may be repeated.

ALTER TABLE charges_store
  ADD COLUMN IF NOT EXISTS received_at DateTime64(6, 'UTC'),
  ADD COLUMN IF NOT EXISTS source String,
  ADD COLUMN IF NOT EXISTS id String,
  ADD COLUMN IF NOT EXISTS import_id String,
  ADD COLUMN IF NOT EXISTS project LowCardinality(String),
  ADD COLUMN IF NOT EXISTS user String,
  ADD COLUMN IF NOT EXISTS credential String,
  ADD COLUMN IF NOT EXISTS agent String,
  ADD COLUMN IF NOT EXISTS service LowCardinality(String),
  ADD COLUMN IF NOT EXISTS environment LowCardinality(String),
  ADD COLUMN IF NOT EXISTS use_case LowCardinality(String),
  ADD COLUMN IF NOT EXISTS purpose LowCardinality(String),
  ADD COLUMN IF NOT EXISTS spend_class LowCardinality(String),
  ADD COLUMN IF NOT EXISTS pool LowCardinality(String),
  ADD COLUMN IF NOT EXISTS model LowCardinality(String),
  ADD COLUMN IF NOT EXISTS kind LowCardinality(String),
  ADD COLUMN IF NOT EXISTS service_from Date32,
  ADD COLUMN IF NOT EXISTS service_until Date32,
  ADD COLUMN IF NOT EXISTS timezone LowCardinality(String),
  ADD COLUMN IF NOT EXISTS contract String,
  ADD COLUMN IF NOT EXISTS vendor LowCardinality(String),
  ADD COLUMN IF NOT EXISTS item String,
  ADD COLUMN IF NOT EXISTS quantity Nullable(Decimal(38, 12)),
  ADD COLUMN IF NOT EXISTS unit_price_usd Nullable(Decimal(38, 12));

-- One row per charge, as its highest revision says.
CREATE OR REPLACE VIEW charges AS
SELECT c.charge_id, c.ts, c.received_at, c.source, c.id, c.revision, c.import_id, c.org, c.business_unit,
  c.cost_center, c.team, c.project, c.user, c.credential, c.agent, c.model, c.use_case, c.provider, c.environment,
  c.service, c.pool, c.spend_class, c.purpose, c.kind, c.charge_category, c.charge_class, c.amount_usd, c.service_from,
  c.service_until, c.timezone, c.contract, c.vendor, c.item, c.quantity, c.unit_price_usd
FROM charges_store AS c FINAL;

-- One row per charge and local day of its service period, those to come included: what budgets are debited, exactly.
CREATE OR REPLACE VIEW charges_daily AS
SELECT
  c.service_from + number AS day,
  c.charge_id, c.org, c.business_unit, c.cost_center, c.team, c.project, c.user, c.credential, c.agent, c.model,
  c.use_case, c.provider, c.environment, c.service, c.pool, c.spend_class, c.purpose, c.kind, c.contract, c.vendor,
  c.item, c.timezone,
  toDecimal128(toDecimal256(
    sign(c.amount_usd) * (
      intDiv(abs(toInt256(c.amount_usd * 1000000000000)) * (number + 1), toInt256(dateDiff('day', c.service_from, c.service_until)))
      - intDiv(abs(toInt256(c.amount_usd * 1000000000000)) * number, toInt256(dateDiff('day', c.service_from, c.service_until)))
    ), 12) / 1000000000000, 12) AS amount_usd
FROM charges_store AS c FINAL
ARRAY JOIN range(toUInt32(dateDiff('day', c.service_from, c.service_until))) AS number;
