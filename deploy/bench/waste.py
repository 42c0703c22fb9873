"""`burnline bench waste`: a quarter with planted waste, what is found of it, and what is claimed beside it.

The quarter is stored as the sink stores it, in an engine of its own, and `waste_findings` is asked as an analyst asks.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import msgspec
import pyarrow as pa

from deploy.bench.ledger import OwnStore
from deploy.bench.waste_quarter import DAYS, HEAVY, START, Quarter
from schemas.internal import RATED_SCHEMA, BatchHeaders
from schemas.periods import micros
from sinks.groups import RatedMessage
from sinks.log_reader import Record
from sinks.outcome_rows import OUTCOMES_TABLE, TOPIC, claim_of, judged
from sinks.rows import split_by_month, store_rows
from sinks.signal_rows import SignalRow, tables

_HEADER = BatchHeaders(
    source_topic="usage.events", source_partition=0, lanes=1, first_offset=0, next_offset=0, log_time_us=0,
    policy_offset=-1, tick=False,
)  # fmt: skip
Found = tuple[str, str, Decimal | None]
"""Id of the call, kind, recoverable USD."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One kind: what was planted, what was found, claimed dollars; and what was found that was never planted."""

    kind: str
    planted_calls: int
    planted_usd: Decimal
    found_calls: int
    claimed_usd: Decimal
    not_planted_calls: int
    of_the_heavy_user: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The lines of a quarter of so many calls, and what one question took."""

    calls: int
    lines: list[Line]
    question_ms: int
    question_cpu_sec: float


def measured(own: OwnStore, made: Quarter) -> Figures:
    """The quarter is stored and asked for. Raises: StoreUnavailableError."""
    fill(own, made)
    store = own.store()
    began, cpu_sec = time.perf_counter(), own.cpu_sec()
    found = store.rows("SELECT id, kind, recoverable_usd FROM waste_findings")
    return Figures(
        calls=len(made.calls),
        question_ms=round((time.perf_counter() - began) * 1000),
        question_cpu_sec=round(own.cpu_sec() - cpu_sec, 2),
        lines=found_by_kind(made, [(id_, kind, usd) for id_, kind, usd in found]),
    )


def fill(own: OwnStore, made: Quarter) -> None:
    """The ledger holds the calls, and what came of them. Raises: StoreUnavailableError."""
    store = own.store()
    rows = pa.RecordBatch.from_pylist(made.calls, schema=RATED_SCHEMA)
    for number, part in enumerate(split_by_month(store_rows([RatedMessage(0, 0, _HEADER, rows)], group_id="waste"))):
        store.insert("usage_events_store", part, token=f"waste/{number}")
    came_us = micros(START + timedelta(days=DAYS + 1))
    records = (Record(TOPIC, 0, n, came_us, msgspec.json.encode(word), ()) for n, word in enumerate(made.words))
    words, _ = judged(map(claim_of, records), {})
    for table, part in tables(SignalRow(OUTCOMES_TABLE, row) for row in words):
        store.insert(table, part)


def found_by_kind(made: Quarter, found: Sequence[Found]) -> list[Line]:
    """What is planted beside what is found, by kind; a kind that was found and never planted has a line, too."""
    heavy = {one["id"] for one in made.calls if one["user"] == HEAVY}
    lines = []
    for kind in sorted({*made.planted_usd, *(kind for _, kind, _ in found)}):
        ids = {id_ for id_, of, _ in found if of == kind}
        planted = {id_ for id_, of in made.planted.items() if of == kind}
        lines.append(
            Line(
                kind=kind,
                planted_calls=len(planted),
                planted_usd=made.planted_usd.get(kind, Decimal(0)),
                found_calls=len(ids & planted),
                claimed_usd=_sum(usd for _, of, usd in found if of == kind),
                not_planted_calls=len(ids - planted),
                of_the_heavy_user=len(ids & heavy),
            )
        )
    return lines


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((amount or Decimal(0) for amount in amounts), Decimal(0))
