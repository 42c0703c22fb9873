"""How far a correction is, as a row of `correction_runs`, written again as it goes on: the newest writing counts."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

import pyarrow as pa

from schemas.requests import Correction, RerateRequest, UndoRequest
from sinks.corrections import kind_of
from sinks.store import FINAL, Store

TABLE = "correction_runs_store"
AUDIT = "usage_corrections_store"
_TIME = pa.timestamp("us", tz="UTC")
_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("correction_id", "kind", "state", "asked_by", "what", "message")),
        *((name, _TIME) for name in ("asked_at", "began_at", "updated_at")),
        *((name, pa.uint64()) for name in ("events", "events_seen", "events_changed", "events_left_alone")),
        ("days", pa.uint32()),
        ("cost_before_usd", pa.decimal128(38, 12)),
        ("cost_after_usd", pa.decimal128(38, 12)),
    ]
)


@dataclass(slots=True, kw_only=True)
class CorrectionRun:
    """What is known of a correction by now; what it changed is asked of the audit, which no crash can make wrong."""

    request: Correction
    began_at: datetime
    state: Literal["running", "done", "failed"] = "running"
    events: int = 0
    events_seen: int = 0
    days: int = 0
    message: str = ""

    def write(self, store: Store, *, now: datetime) -> None:
        """The correction's row says what is known. Raises: StoreUnavailableError: write it again."""
        changed, before, after = changes(store, self.request.request_id)
        ended = self.state != "running"
        request = self.request
        row = {
            "correction_id": request.request_id,
            "kind": kind_of(request),
            "state": self.state,
            "asked_by": request.asked_by,
            "asked_at": request.asked_at,
            "began_at": self.began_at,
            "updated_at": now,
            "what": _what(request),
            "message": self.message,
            "events": max(self.events, changed),
            "events_seen": max(self.events_seen, changed),
            "events_changed": changed,
            "events_left_alone": max(0, self.events - changed) if ended else 0,
            "days": self.days,
            "cost_before_usd": before,
            "cost_after_usd": after,
        }
        store.insert(TABLE, pa.Table.from_pylist([row], schema=_SCHEMA))


def _what(request: Correction) -> str:
    """The import, the price book, or the directory."""
    if isinstance(request, UndoRequest):
        return request.import_id
    if isinstance(request, RerateRequest):
        return request.price_book_version
    return f"directory of policy offset {request.policy_offset}"


def changes(store: Store, request_id: str) -> tuple[int, Decimal, Decimal]:
    """How many events a correction has changed, and their cost before and after. Raises: StoreUnavailableError."""
    sql = (
        "SELECT count(), sum(toDecimal128(ifNull(c.cost_before_usd, 0), 12)),"
        " sum(toDecimal128(ifNull(c.cost_after_usd, 0), 12))"
        " FROM usage_corrections_store AS c FINAL WHERE c.correction_id = {id:String}"
    )
    [(events, before, after)] = store.rows(sql, {"id": request_id}, **FINAL)
    return int(events), before, after


def days_changed(store: Store, request_id: str) -> set[date]:
    """The days of UTC on which a correction has changed events. Raises: StoreUnavailableError."""
    sql = "SELECT DISTINCT toDate(c.ts) FROM usage_corrections_store AS c WHERE c.correction_id = {id:String}"
    return {day for (day,) in store.rows(sql, {"id": request_id})}


def ended(store: Store, request_id: str) -> bool:
    """Whether the correction was done, or has failed, before. Raises: StoreUnavailableError."""
    sql = (
        "SELECT count() FROM correction_runs_store AS r FINAL"
        " WHERE r.correction_id = {id:String} AND r.state != 'running'"
    )
    return bool(store.rows(sql, {"id": request_id})[0][0])
