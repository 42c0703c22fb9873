"""The rollups as values: what they sum, by what; the SQL of their views and of their repair. Pure.

Laws
1. A materialized view and the repair of its store select by the same text, so they cannot disagree; a test holds
   the migration's text to it. Only corrected rows are left to the repair.
2. A repair inserts signed differences: rollup + difference = ledger + what expired, for each key; a second run adds
   nothing. What expired (`expiring.py`) is kept as sums, and named a table by its rollup.
3. A repair inserts nothing unless the sink whose life it names is the last one (`lives.py`).
"""
# ruff: noqa: S608  the texts are made of our own names; values travel as server-side parameters

from dataclasses import dataclass

from schemas.usage import LEAVES

TOKEN_MEASURES = ("input_tokens", "output_tokens", *LEAVES)
MONEY_MEASURES = ("cost_usd", "list_cost_usd", "ceiling_cost_usd")
COUNT_MEASURES = ("requests", "errors", "unpriced_requests")
MEASURES = (*COUNT_MEASURES, *TOKEN_MEASURES, *MONEY_MEASURES)
DIMENSIONS = (
    "org", "business_unit", "cost_center", "team", "project", "use_case", "provider", "model", "environment",
)  # fmt: skip
ENTITIES = ("org", "business_unit", "cost_center", "team", "project", "user", "credential", "agent", "use_case")
LEDGER = "usage_events_store AS e"
LEDGER_FINAL = "usage_events_store AS e FINAL"
LIVING = "e.is_deleted = 0"
AS_RATED = f"{LIVING} AND e.correction = 0"
"""What is summed as it is inserted; a corrected row takes the place of one that was, so a repair sums it."""
ON_DAYS = "toDate(r.t) IN {days:Array(Date)}"
LAST_LIFE = "(SELECT argMax(l.life_id, l.life) FROM sink_lives_store AS l)"
"""The id of the last life of the sink; '' before any."""
_BUCKET = "toDateTime(toStartOfFifteenMinutes(e.ts), 'UTC') AS t"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollup:
    """One rollup: its table, the view that fills it, the keys it sums by."""

    store: str
    view: str
    keys: tuple[str, ...]

    @property
    def expired(self) -> str:
        """The table of what it has of rows that the ledger let go."""
        return self.store.replace("_store", "_expired_store")

    def select(self, source: str, where: str) -> str:
        """The sums of the ledger by this rollup's keys; `source` names `usage_events_store` as `e`."""
        if "entity_type" not in self.keys:
            return _sums(self.keys[1:], source, where)
        # Summed by all entities at once first: far fewer rows are then multiplied by the kinds of entity.
        inner = _sums((*ENTITIES, "model"), source, where)
        pairs = ", ".join(f"('{name}', toString(s.{name}))" for name in ENTITIES)
        columns = ["s.t AS t", "s.org AS org", "pair.1 AS entity_type", "pair.2 AS entity_id", "s.model AS model"]
        columns += [f"sum(s.{name}) AS {name}" for name in MEASURES]
        return (
            f"SELECT {', '.join(columns)} FROM ({inner}) AS s ARRAY JOIN [{pairs}] AS pair"
            f" WHERE pair.2 != '' GROUP BY {', '.join(self.keys)}"
        )

    def view_sql(self) -> str:
        """The statement that makes the materialized view."""
        return f"CREATE MATERIALIZED VIEW IF NOT EXISTS {self.view} TO {self.store} AS {self.select(LEDGER, AS_RATED)}"


def _sums(keys: tuple[str, ...], source: str, where: str) -> str:
    columns = [_BUCKET, *(f"e.{name} AS {name}" for name in keys)]
    columns += [
        "toInt64(count()) AS requests",
        "toInt64(countIf(e.status = 'error')) AS errors",
        "toInt64(countIf(e.pricing_status LIKE 'unpriced%')) AS unpriced_requests",
    ]
    columns += [f"toInt64(ifNull(sum(e.{name}), 0)) AS {name}" for name in TOKEN_MEASURES]
    columns += [f"ifNull(sum(toDecimal128(e.{name}, 12)), 0) AS {name}" for name in MONEY_MEASURES]
    return f"SELECT {', '.join(columns)} FROM {source} WHERE {where} GROUP BY t, {', '.join(keys)}"


ROLLUPS = (
    Rollup(store="usage_15m_store", view="usage_15m_mv", keys=("t", *DIMENSIONS)),
    Rollup(
        store="usage_entities_store",
        view="usage_entities_mv",
        keys=("t", "org", "entity_type", "entity_id", "model"),
    ),
)


def _both_sides(rollup: Rollup) -> str:
    """Ledger and negated rollup of the days, one below the other."""
    columns = ", ".join((*rollup.keys, *MEASURES))
    # The hours are the beginning of the ledger's sort key, so nothing but these days is read.
    hours = "toStartOfHour(e.ts) IN {hours:Array(DateTime('UTC'))}"
    ledger = rollup.select(LEDGER_FINAL, f"{LIVING} AND {hours}")
    expired = f"SELECT {columns}, 1 AS side FROM {rollup.expired} AS r WHERE {ON_DAYS}"
    negated = ", ".join((*(f"r.{name}" for name in rollup.keys), *(f"-r.{name}" for name in MEASURES)))
    stored = f"SELECT {negated}, 0 AS side FROM {rollup.store} AS r WHERE {ON_DAYS}"
    return f"SELECT {columns}, 1 AS side FROM ({ledger}) UNION ALL {expired} UNION ALL {stored}"


def expire_sql(rollup: Rollup) -> str:
    """What a month's rows sum up to is kept under the name of their expiry.

    Parameters: `name` String, `month` UInt32, `until` DateTime64(6, 'UTC'), `life` String.
    """
    columns = ", ".join((*rollup.keys, *MEASURES))
    rows = f"{LIVING} AND toYYYYMM(e.ts) = {{month:UInt32}} AND e.received_at <= {{until:DateTime64(6, 'UTC')}}"
    return (
        f"INSERT INTO {rollup.expired} (expiry, {columns}) SELECT {{name:String}}, {columns}"
        f" FROM ({rollup.select(LEDGER_FINAL, rows)}) WHERE {LAST_LIFE} = {{life:String}}"
    )


def difference_sql(rollup: Rollup) -> str:
    """Per day that differs: day, keys that differ, requests and cost in the rollup and in the ledger.

    Parameters: `days` Array(Date), `hours` Array(DateTime('UTC')), every hour of these days.
    """
    same = " AND ".join(f"sum(b.{name}) = 0" for name in MEASURES)
    return (
        "SELECT toDate(k.t) AS day, toInt64(countIf(NOT k.same)), sum(k.requests_before), sum(k.requests_ledger),"
        " sum(k.cost_before), sum(k.cost_ledger) FROM ("
        f"SELECT {', '.join(f'b.{name} AS {name}' for name in rollup.keys)}, {same} AS same,"
        " -sumIf(b.requests, b.side = 0) AS requests_before, sumIf(b.requests, b.side = 1) AS requests_ledger,"
        " -sumIf(b.cost_usd, b.side = 0) AS cost_before, sumIf(b.cost_usd, b.side = 1) AS cost_ledger"
        f" FROM ({_both_sides(rollup)}) AS b GROUP BY {', '.join(rollup.keys)}"
        ") AS k GROUP BY day HAVING countIf(NOT k.same) > 0 ORDER BY day"
    )


def repair_sql(rollup: Rollup) -> str:
    """Makes the rollup equal the ledger on the days. Parameters as of `difference_sql`, and `life` String."""
    columns = ", ".join((*rollup.keys, *MEASURES))
    selected = [f"b.{name} AS {name}" for name in rollup.keys]
    selected += [f"sum(b.{name}) AS d_{name}" for name in MEASURES]
    differs = " OR ".join(f"d_{name} != 0" for name in MEASURES)
    return (
        f"INSERT INTO {rollup.store} ({columns}) SELECT {', '.join(selected)}"
        f" FROM ({_both_sides(rollup)}) AS b GROUP BY {', '.join(rollup.keys)}"
        f" HAVING ({differs}) AND {LAST_LIFE} = {{life:String}}"
    )
