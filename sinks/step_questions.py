"""Single calls of the ledger as `internal.steps` has them, and how many there are by minute. Pure; as queries.py."""
# ruff: noqa: S608  names come from schemas/steps.py, values travel as server-side parameters

from datetime import datetime

from schemas.directory import UNATTRIBUTED
from schemas.steps import NAMING, PLACES, REFUSED, STEP_SCHEMA, STEP_TEXTS
from sinks.queries import Query

_TIME = "DateTime64(6, 'UTC')"
_WITHIN = f"v.ts >= {{since:{_TIME}}} AND v.ts < {{until:{_TIME}}}"
_NAMED = " OR ".join(f"v.{name} != ''" for name in NAMING)
_PICO_USD = "toInt64(greatest(toDecimal128(ifNull(v.cost_usd, 0), 12), 0) * 1000000000000)"
_OWNED = " OR ".join(f"v.{name} NOT IN ('', '{UNATTRIBUTED}')" for name in ("team", "user"))
_FACTS = {
    "org": "toString(v.org)",
    "ts_us": "toUnixTimestamp64Micro(v.ts)",
    "live": "true",
    "owned": _OWNED,
    "unpriced": "v.pricing_status LIKE 'unpriced%'",
    "events": "toInt64(1)",
    "input_tokens": "greatest(ifNull(v.input_tokens, 0), 0)",
    "output_tokens": "greatest(ifNull(v.output_tokens, 0), 0)",
    "cost_micro_usd": f"intDiv({_PICO_USD}, 1000000)",
    "cost_pico_remainder": f"{_PICO_USD} % 1000000",
    "claims": f"if({_NAMED}, nullIf(arrayStringConcat(arraySort(mapKeys(v.asserted)), ','), ''), NULL)",
}


def calls_by_minute(*, since: datetime, until: datetime, shift_us: int) -> Query:
    """In which minutes of [since, until) how many calls began: `t` in seconds from 1970, `calls`; in order of time.

    Minutes begin `shift_us` after the full one, of which `t` is the full one.
    """
    sql = (
        "SELECT intDiv(toUnixTimestamp64Micro(v.ts) - {shift:Int64}, 60000000) * 60 AS t, count() AS calls"
        f" FROM usage_events AS v WHERE {_WITHIN} GROUP BY t ORDER BY t"
    )
    return Query(sql, {"since": since, "until": until, "shift": shift_us})


def steps_between(*, since: datetime, until: datetime) -> Query:
    """The calls of [since, until) with the columns of STEP_SCHEMA, in order of time; a rest has one call.

    All of them are live. Names and amounts are those that count now: revised, corrected, forgotten.
    """
    columns = ", ".join(f"{_column(name)} AS {name}" for name in STEP_SCHEMA.names)
    sql = f"SELECT {columns} FROM usage_events AS v WHERE {_WITHIN} ORDER BY v.ts, v.source, v.id"
    return Query(sql, {"since": since, "until": until})


def _column(name: str) -> str:
    if name in _FACTS:
        return _FACTS[name]
    said = f"nullIf(toString(v.{name}), '')" if name in STEP_TEXTS else f"toInt64(v.{name})"
    if name in PLACES:
        return said
    of_rests = f" OR v.{name} = {REFUSED}" if name == "http_status" else ""
    return f"if({_NAMED}{of_rests}, {said}, NULL)"
