"""A person's id is replaced by a pseudonym wherever the store names it: statements, and the order in which they run.

Laws
1. Afterwards no row of any table names the person; counts and money of every table are what they were. Of the directory
   what is about the person goes: policies say it, and must be changed by hand.
2. Run again after a crash anywhere, with the same pseudonym, it ends the same; with nothing left to do it changes
   nothing. What the pseudonym stands for is kept nowhere.
3. It runs while no insert runs, a partition of a table at a time; the long rollup is then made equal to the ledger,
   which puts the pseudonym where the person was.
A name in a sort key cannot be changed in place: those rows are stored anew under the pseudonym, then the old ones go.
"""
# ruff: noqa: S608  the texts are made of our own names; values travel as server-side parameters

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from schemas.requests import ForgetRequest
from sinks.store import Setting, Store

_SYNC: dict[str, Setting] = {"mutations_sync": 1}
_ROLLUP, _EXPIRED = "usage_entities_store", "usage_entities_expired_store"


@dataclass(frozen=True, slots=True)
class Naming:
    """How a table names a person: `where` finds the rows; `sets` says what each column becomes instead."""

    table: str
    where: str
    sets: tuple[tuple[str, str], ...]
    how: Literal["in place", "anew", "from the ledger", "gone"] = "in place"


def _named(column: str) -> tuple[str, str]:
    return column, f"if({column} = {{user:String}}, {{to:String}}, {column})"


def _named_in(column: str) -> tuple[str, str]:
    """The values of a map."""
    return column, f"mapApply((k, v) -> (k, if(v = {{user:String}}, {{to:String}}, v)), {column})"


_OF_BUDGET = "member = {user:String} AND has({budgets:Array(String)}, budget_id)"
_BYTES = "tryBase64Decode(value_base64)"
_ESCAPED = "{escaped:String}, {quoted_to:String}"
NAMINGS = (
    Naming(
        "usage_events_store",
        "org = {org:String} AND (user = {user:String} OR end_user = {user:String}"
        " OR has(mapValues(asserted), {user:String}) OR has(mapValues(tags), {user:String}))",
        (_named("user"), _named("end_user"), _named_in("asserted"), _named_in("tags")),
    ),
    Naming(
        _ROLLUP,
        "org = {org:String} AND entity_type = 'user' AND entity_id = {user:String}",
        (),
        "from the ledger",
    ),
    Naming(
        _EXPIRED,
        "org = {org:String} AND entity_type = 'user' AND entity_id = {user:String}",
        (("entity_id", "{to:String}"),),
    ),
    Naming(
        "burn_rates_store",
        "org = {org:String} AND entity_type = 'user' AND entity_id = {user:String}",
        (("entity_id", "{to:String}"),),
        "anew",
    ),
    Naming(
        "burn_now_store",
        "org = {org:String} AND entity_type = 'user' AND entity_id = {user:String}",
        (("entity_id", "{to:String}"),),
        "anew",
    ),
    Naming("budget_states_store", f"org = {{org:String}} AND {_OF_BUDGET}", (("member", "{to:String}"),), "anew"),
    Naming("budget_closings_store", f"org = {{org:String}} AND {_OF_BUDGET}", (("member", "{to:String}"),), "anew"),
    Naming(
        "alert_events_store",
        "org = {org:String} AND ((entity_type = 'user' AND entity_id = {user:String}) OR (" + _OF_BUDGET + ")"
        " OR labels['user'] = {user:String} OR owner = {user:String})",
        (
            ("entity_id", "if(entity_type = 'user' AND entity_id = {user:String}, {to:String}, entity_id)"),
            ("member", f"if({_OF_BUDGET}, {{to:String}}, member)"),
            _named("owner"),
            ("labels", "mapApply((k, v) -> (k, if(k = 'user' AND v = {user:String}, {to:String}, v)), labels)"),
            ("message", "replaceAll(message, concat('user ', {user:String}), concat('user ', {to:String}))"),
        ),
    ),
    Naming(
        "directory_store",
        "org = {org:String} AND ((entity_type = 'user' AND entity_id = {user:String}) OR user = {user:String})",
        (),
        "gone",
    ),
    Naming("directory_store", "org = {org:String} AND owner = {user:String}", (_named("owner"),)),
    Naming("value_policies_store", "org = {org:String} AND owner = {user:String}", (_named("owner"),)),
    Naming("alert_labels_store", "org = {org:String} AND said_by = {user:String}", (_named("said_by"),)),
    Naming(
        "outcome_revisions_store",
        "org = {org:String} AND (user = {user:String} OR reviewer = {user:String})",
        (_named("user"), _named("reviewer")),
    ),
    Naming(
        "charges_store",
        "org = {org:String} AND (user = {user:String} OR has(mapValues(asserted), {user:String}))",
        (_named("user"), _named_in("asserted")),
    ),
    Naming(
        "dead_letters_store",
        f"(position({_BYTES}, {{quoted:String}}) > 0 OR position({_BYTES}, {{escaped:String}}) > 0)"
        f" AND (position({_BYTES}, {{quoted_org:String}}) > 0 OR position({_BYTES}, {{escaped_org:String}}) > 0)",
        (
            (
                "value_base64",
                f"base64Encode(replaceAll(replaceAll({_BYTES}, {{quoted:String}}, {{quoted_to:String}}), {_ESCAPED}))",
            ),
            ("message", "replaceAll(message, {repr:String}, concat('\\'', {to:String}, '\\''))"),
        ),
    ),
)


def parameters(request: ForgetRequest) -> dict[str, Any]:
    """The values of all statements."""
    return {
        "org": request.org,
        "user": request.user,
        "to": request.pseudonym,
        "budgets": list(request.budgets),
        "quoted": json.dumps(request.user, ensure_ascii=False),
        "escaped": json.dumps(request.user),
        "quoted_org": json.dumps(request.org, ensure_ascii=False),
        "escaped_org": json.dumps(request.org),
        "quoted_to": json.dumps(request.pseudonym),
        "repr": repr(request.user),
    }


def _names_somebody(request: ForgetRequest) -> bool:
    """Whether it is about a person: '' stands in every row that says no user."""
    return bool(request.user and request.org)


def named_rows(store: Store, request: ForgetRequest) -> dict[str, int]:
    """How many rows of each table name the person; of what is kept only. Raises: StoreUnavailableError."""
    if not _names_somebody(request):
        return {one.table: 0 for one in NAMINGS}
    values = parameters(request)
    counted = Counter[str]()
    for one in NAMINGS:
        counted[one.table] += int(store.rows(f"SELECT count() FROM {one.table} WHERE {one.where}", values)[0][0])
    return dict(counted)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run, in this order, and the days on which the rollups are then made equal. Each may be repeated."""

    statements: tuple[str, ...]
    days: tuple[date, ...]


def plan(store: Store, request: ForgetRequest) -> Plan:
    """What there is to do; nothing where nothing names the person. Raises: StoreUnavailableError."""
    if not _names_somebody(request):
        return Plan((), ())
    values = parameters(request)
    statements: list[str] = []
    for one in NAMINGS:
        partitions = store.rows(f"SELECT DISTINCT _partition_id FROM {one.table} WHERE {one.where}", values)
        for (partition,) in sorted(partitions):
            statements += _statements(one, str(partition))
    return Plan(tuple(statements), tuple(sorted(_days(store, values))))


def run(store: Store, statement: str, request: ForgetRequest) -> None:
    """A statement of the plan is done. Raises: StoreUnavailableError: run it again."""
    store.run(statement, parameters(request), **_SYNC)


def _days(store: Store, values: dict[str, Any]) -> set[date]:
    """The days on which the ledger names the person, or their pseudonym already, or the rollup does."""
    sql = (
        "SELECT DISTINCT toDate(e.ts) FROM usage_events_store AS e"
        " WHERE e.org = {org:String} AND e.user IN ({user:String}, {to:String})"
        f" UNION DISTINCT SELECT DISTINCT toDate(r.t) FROM {_ROLLUP} AS r"
        " WHERE r.org = {org:String} AND r.entity_type = 'user' AND r.entity_id IN ({user:String}, {to:String})"
        f" UNION DISTINCT SELECT DISTINCT toDate(r.t) FROM {_EXPIRED} AS r"
        " WHERE r.org = {org:String} AND r.entity_type = 'user' AND r.entity_id IN ({user:String}, {to:String})"
    )
    return {day for (day,) in store.rows(sql, values)}


def _statements(one: Naming, partition: str) -> Iterator[str]:
    """What is run over one partition of a table, in this order."""
    within = f"IN PARTITION ID '{partition}' WHERE {one.where}"
    if one.how == "in place":
        yield f"ALTER TABLE {one.table} UPDATE {', '.join(f'{name} = {text}' for name, text in one.sets)} {within}"
        return
    if one.how == "anew":
        replaced = ", ".join(f"{text} AS {name}" for name, text in one.sets)
        chosen = f"_partition_id = '{partition}' AND {one.where}"
        # Chosen first: beside REPLACE a name in WHERE would mean what it becomes.
        old = f"SELECT * FROM {one.table} WHERE {chosen}"
        yield f"INSERT INTO {one.table} SELECT * REPLACE ({replaced}) FROM ({old})"
    yield f"ALTER TABLE {one.table} DELETE {within}"
