"""A ledger that plays the sink as `streams` meets it.

It stores one row of each event, publishes as signed rows what that changes beside what rating summed, and opens each
budget with what it had stored before rating knew the budget. Operators undo rows and rate them anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa

from schemas.internal import (
    ADJUSTMENT_HEADER,
    ADJUSTMENT_SCHEMA,
    OPENING_SCHEMA,
    AdjustmentHeaders,
    to_arrow_bytes,
)
from schemas.policies import Budget
from schemas.requests import PRICES_SCHEMA, RerateRequest, UndoRequest, version_of
from sinks.corrections import Change, renewed, told, undone
from sinks.revisions import Claim, Held, Identity, resolve
from sinks.rows import WHOLE_SCHEMA
from streams.ports import Output
from streams.rating.adjusting import ADJUSTMENTS_TOPIC
from tests.scenarios.burn_log import SEC, PolicyHistory

Rated = dict[str, Any]
_ASKED_AT = datetime(2026, 11, 22, tzinfo=UTC)


@dataclass
class Ledger:
    """The rows that are stored, one for each event, and how far budgets are opened."""

    rows: dict[Identity, Rated] = field(default_factory=dict)
    opened: int = -1
    _undone: set[Identity] = field(default_factory=set)
    _watched: set[int] = field(default_factory=set)  # hours, as in sinks/watched_hours.py
    _wanted: int | None = None  # how many rated messages must be stored before the next opening

    def store(self, rows: Sequence[Rated]) -> Output | None:
        """The rows are stored; what that changes beside what rating summed, as signed rows, None where nothing is."""
        new = {(0, 0, at): row for at, row in enumerate(rows)}
        claims = [
            Claim(place, identity(row), row["revision"], summed=not row["corrects"], void=row["void"])
            for place, row in new.items()
        ]
        asked = [row for row in rows if row["maybe_duplicate"] or row["revision"] > 1 or hour(row) in self._watched]
        held = {
            identity(row): Held(self.rows[identity(row)]["revision"], counts=self._counts(identity(row)))
            for row in asked
            if identity(row) in self.rows
        }
        found = resolve(claims, held)
        signed = [{**new[place], "sign": -1, "reason": why} for place, why in sorted(found.taken_back.items())]
        signed += [{**new[place], "sign": 1, "reason": "revision"} for place in sorted(found.added)]
        signed += [{**self.rows[one], "sign": -1, "reason": "revision"} for one in sorted(found.replaced)]
        stored = {identity(row): row for place, row in new.items() if place not in found.left_out}
        self.rows |= stored
        self._undone -= stored.keys()
        self._watched |= {hour for hour, _, _ in found.unforeseen} | {hour(row) for row in rows if row["astray"]}
        if not signed:
            return None
        partition = signed[0]["event_partition"]
        return _message("rows", signed, ADJUSTMENT_SCHEMA, opened=self.opened, partition=partition)

    def counting(self) -> list[Rated]:
        """The rows that count."""
        return [row for at, row in self.rows.items() if self._counts(at)]

    def _counts(self, at: Identity) -> bool:
        return not self.rows[at]["void"] and at not in self._undone

    def undo(self, at: Identity) -> Output:
        """The event counts no more; what burn is told of it."""
        request = UndoRequest(request_id="undo", import_id="import", asked_at=_ASKED_AT)
        said = self._told(undone(request, self._whole(at)))
        self._undone.add(at)
        return said

    def rerate(self, at: Identity, cost_usd: Decimal | None, ceiling_usd: Decimal | None) -> Output:
        """The event costs something else; what burn is told of it."""
        row = self.rows[at]
        status = "unpriced_model" if cost_usd is None else "priced"
        money = {"cost_usd": cost_usd, "list_cost_usd": cost_usd, "ceiling_cost_usd": ceiling_usd}
        key = {name: row[name] for name in ("ts", "source", "id")} | {"version": self._version(row)}
        prices = pa.RecordBatch.from_pylist([key | money | {"pricing_status": status}], schema=PRICES_SCHEMA)
        request = RerateRequest(request_id="r", offsets=(0,), rows=1, price_book_version="b", asked_at=_ASKED_AT)
        change = renewed(request, self._whole(at), prices)
        said = self._told(change)
        self.rows[at] = change.after.select(row.keys()).to_pylist()[0] | {"correction": row.get("correction", 0) + 1}
        return said

    @staticmethod
    def _version(row: Rated) -> int:
        return version_of(revision=row["revision"], correction=row.get("correction", 0))

    def _whole(self, at: Identity) -> pa.Table:
        row = self.rows[at]
        place = {"src_partition": 0, "src_offset": 0, "src_index": 0, "correction": row.get("correction", 0)}
        return pa.Table.from_pylist([row | place | {"version": self._version(row)}], schema=WHOLE_SCHEMA)

    def _told(self, change: Change) -> Output:
        [one] = told(change, group_id="g", opened=self.opened)
        return Output(ADJUSTMENTS_TOPIC, one.value, partition=one.partition, headers=tuple(one.kafka_headers()))

    def opening(self, policies: PolicyHistory, *, named: int, stored: int, rated: int) -> Output | None:
        """The opening of the next policy offset, None while it has to wait for rating or for its own storing."""
        since = self.opened + 1
        if since > policies.latest()[0] or named < since:
            return None
        self._wanted = rated if self._wanted is None else self._wanted
        if stored < self._wanted:
            return None
        self.opened, self._wanted = since, None
        fresh = [
            entry.policy
            for entry in policies.at(since).values()
            if isinstance(entry.policy, Budget) and entry.matched_since == since
        ]
        sums = [row for budget in fresh for row in self._sums(budget, since)]
        return _message("opening", sums, OPENING_SCHEMA, opened=since, partition=0)

    def _sums(self, budget: Budget, since: int) -> list[dict[str, Any]]:
        groups: dict[tuple[str | None, int], list[Rated]] = {}
        for row in self.counting():
            if row["policy_offset"] < since and (found := member(budget, row)) is not None:
                local = row["ts"].astimezone(budget.zone())
                whole = {"minute": 0, "second": 0, "microsecond": 0}
                start = local.replace(**whole) if budget.period == "hour" else local.replace(hour=0, **whole)
                groups.setdefault((found or None, round(start.timestamp()) * SEC), []).append(row)
        return [_opening_row(budget, since, *key, rows) for key, rows in sorted(groups.items(), key=str)]


def hour(row: Rated) -> int:
    """The hour since 1970 that an event happened in."""
    return int(row["ts"].timestamp()) // 3600


def identity(row: Rated) -> Identity:
    """What tells events apart."""
    return hour(row), row["source"], row["id"]


def member(budget: Budget, row: Rated) -> str | None:
    """Whose spend the row is in this budget: '' for the budget as a whole, None where it does not count."""
    if row["org"] != budget.org or any(row[name] != value for name, value in budget.scope.items()):
        return None
    return "" if budget.each is None else row[budget.each]


def pico_of(row: Rated) -> int:
    """What a row cost."""
    return int((row["cost_usd"] or Decimal(0)) * 10**12)


def ceiling_pico_of(row: Rated) -> int:
    """What a row without a price may have cost."""
    return int((row["ceiling_cost_usd"] or Decimal(0)) * 10**12)


def _opening_row(budget: Budget, since: int, who: str | None, day_us: int, rows: Sequence[Rated]) -> dict[str, Any]:
    micro, pico = divmod(sum(map(pico_of, rows)), 10**6)
    ceiling_micro, ceiling_pico = divmod(sum(map(ceiling_pico_of, rows)), 10**6)
    times = [round(row["ts"].timestamp() * SEC) for row in rows]
    return {
        **dict.fromkeys(OPENING_SCHEMA.names, 0),
        "org": budget.org,
        "entity_type": "budget",
        "entity_id": budget.id,
        "member": who,
        "bucket_us": day_us,
        "live": False,
        "requests": len(rows),
        "input_tokens": sum(row["input_tokens"] or 0 for row in rows),
        "output_tokens": sum(row["output_tokens"] or 0 for row in rows),
        "cost_micro_usd": micro,
        "cost_pico_remainder": pico,
        "ceiling_micro_usd": ceiling_micro,
        "ceiling_pico_remainder": ceiling_pico,
        "first_us": min(times),
        "last_us": max(times),
        "user_hashes": None,
        "address_hashes": None,
        "matched_since": since,
    }


def _message(kind: Any, rows: Sequence[Mapping[str, Any]], schema: pa.Schema, *, opened: int, partition: int) -> Output:
    header = AdjustmentHeaders(kind=kind, opened=opened, rows=len(rows))
    value = to_arrow_bytes(pa.RecordBatch.from_pylist(list(rows), schema=schema))
    return Output(
        ADJUSTMENTS_TOPIC, value, partition=partition, headers=((ADJUSTMENT_HEADER, msgspec.json.encode(header)),)
    )


def exact_sums(ledger: Ledger, budget: Budget) -> dict[tuple[str, int], tuple[int, int]]:
    """(member, start of its local day or hour) -> what the ledger's rows sum to, in whole units, and what is estimated.

    Only money is estimated.
    """
    found: dict[tuple[str, int], tuple[int, int]] = {}
    for row in ledger.counting():
        who = member(budget, row)
        if who is None:
            continue
        local = row["ts"].astimezone(budget.zone())
        amount = {
            "usd": pico_of(row),
            "requests": 1,
            "tokens": (row["input_tokens"] or 0) + (row["output_tokens"] or 0),
        }
        key = (who, period_start_us(local, budget.period))
        before, estimated = found.get(key, (0, 0))
        more = ceiling_pico_of(row) if budget.unit == "usd" else 0
        found[key] = (before + amount[budget.unit], estimated + more)
    return found


def period_start_us(local: datetime, period: str) -> int:
    """The start of the period that holds a local time; without changes of the clocks."""
    start = local.replace(minute=0, second=0, microsecond=0)
    if period != "hour":
        start = start.replace(hour=0)
    if period == "month":
        start = start.replace(day=1)
    return round(start.timestamp()) * SEC
