"""I3 as SQL: each view of sums against `usage_events` summed the same way. Pure."""

from producers.simulator.prices import LEAVES

_DIMENSIONS = ("org", "business_unit", "cost_center", "team", "project", "use_case", "provider", "model", "environment")
_ENTITIES = ("org", "business_unit", "cost_center", "team", "project", "user", "credential", "agent", "use_case")
_MEASURES = ("requests", "errors", "unpriced_requests", "input_tokens", "output_tokens", *LEAVES, "cost_usd")
VIEWS = {
    "usage_15m": "toDateTime(toStartOfFifteenMinutes(ts), 'UTC')",
    "usage_1h": "toDateTime(toStartOfHour(ts), 'UTC')",
    "usage_1d_utc": "toDate(ts, 'UTC')",
    "usage_daily(tz = 'Asia/Kolkata')": "toDate(ts, 'Asia/Kolkata')",
}
"""Views by time and dimensions, and their bucket of an event."""
ENTITY_VIEW = "usage_entities_1h"


def _from_events(sign: str = "") -> str:
    columns = ["count()", "countIf(status = 'error')", "countIf(pricing_status LIKE 'unpriced%')"]
    columns += [f"ifNull(sum({name}), 0)" for name in _MEASURES[3:-1]]
    columns.append("ifNull(sum(toDecimal128(cost_usd, 12)), 0)")
    return ", ".join(
        f"toDecimal128({sign}({column}), 12) AS m_{name}" for column, name in zip(columns, _MEASURES, strict=True)
    )


def _from_view() -> str:
    return ", ".join(f"toDecimal128(-{name}, 12) AS m_{name}" for name in _MEASURES)


def _differing(keys: tuple[str, ...], events: str, view: str) -> str:
    wrong = " OR ".join(f"sum(m_{name}) != 0" for name in _MEASURES)
    names = ", ".join(f"k_{key}" for key in keys)
    shown = ", ".join(f"toString(k_{key})" for key in keys)
    return (
        "SELECT count() AS keys, countIf(wrong) AS differing, toString(groupArrayIf(3)(shown, wrong)) AS some FROM ("
        f"SELECT concat_ws('/', {shown}) AS shown, {wrong} AS wrong FROM ({events} UNION ALL {view}) GROUP BY {names})"
    )


def view_sql(view: str) -> str:
    """How many keys there are and how many differ between a view of VIEWS and the events, with some of them."""
    keys = ("t", *_DIMENSIONS)
    named = ", ".join(f"{key} AS k_{key}" for key in _DIMENSIONS)
    events = f"SELECT {VIEWS[view]} AS k_t, {named}, {_from_events()} FROM usage_events GROUP BY k_t, {_keys()}"
    of_view = f"SELECT t AS k_t, {named}, {_from_view()} FROM {view}"
    return _differing(keys, events, of_view)


def _keys() -> str:
    return ", ".join(f"k_{key}" for key in _DIMENSIONS)


def entity_sql() -> str:
    """The same for the view by entities."""
    pairs = ", ".join(f"('{name}', toString({name}))" for name in _ENTITIES)
    events = (
        "SELECT toDateTime(toStartOfHour(ts), 'UTC') AS k_t, org AS k_org, pair.1 AS k_entity_type,"
        f" pair.2 AS k_entity_id, model AS k_model, {_from_events()} FROM usage_events ARRAY JOIN [{pairs}] AS pair"
        " WHERE pair.2 != '' GROUP BY k_t, k_org, k_entity_type, k_entity_id, k_model"
    )
    view = (
        "SELECT t AS k_t, org AS k_org, entity_type AS k_entity_type, entity_id AS k_entity_id, model AS k_model,"
        f" {_from_view()} FROM {ENTITY_VIEW}"
    )
    return _differing(("t", "org", "entity_type", "entity_id", "model"), events, view)
