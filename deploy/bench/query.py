"""`burnline bench query`: how long an analyst waits for an answer over a month of calls, and what it takes on disk.

Questions go to the views of the contract through the storage process, each once cold and then warm some times. The
ledger is merged before (as months that are over are): what is measured is not how far merges are behind.
"""
# ruff: noqa: S608  the questions are made of our own words

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from deploy.bench.ledger import Column, OwnStore, bytes_of, columns_of, fill
from sinks.store import Store

Say = Callable[[str], None]
TABLES = ("usage_events_store", "usage_entities_store", "usage_15m_store")
_MOST_SEC = 120
_LAST_WEEK = "v.ts >= now() - INTERVAL 7 DAY"
_LAST_DAY = "v.t >= now() - INTERVAL 1 DAY"


@dataclass(frozen=True, slots=True)
class Question:
    """A question to the views; `most_ms` is what a warm answer may take, `why` says why one may take longer."""

    name: str
    sql: str
    most_ms: float = 100
    why: str = ""


_EVENTS = "reads each event; for sums ask usage_1h, usage_1d_utc or usage_entities_1h"
_ROWS = "every row of the rollup is merged and grouped by all its columns before it is summed; ask for a time or an org"
QUESTIONS = (
    Question(
        "cost by team by day",
        "SELECT v.t, v.team, sum(v.cost_usd) FROM usage_1d_utc AS v GROUP BY v.t, v.team",
        20,
        "the daily view sums quarters of hours: a stored daily rollup would answer sooner, and cost each insert more",
    ),
    Question(
        "one company, a week, team by model",
        "SELECT v.team, v.model, sum(v.cost_usd) FROM usage_1h AS v WHERE v.org = 'northwind-1' AND"
        " v.t >= now() - INTERVAL 7 DAY GROUP BY v.team, v.model",
    ),
    Question(
        "the 20 users who cost most, a company's month",
        "SELECT v.entity_id, sum(v.cost_usd) AS usd FROM usage_entities_1h AS v WHERE v.org = 'northwind-1'"
        " AND v.entity_type = 'user' GROUP BY v.entity_id ORDER BY usd DESC LIMIT 20",
    ),
    Question(
        "spend per hour and team, last day",
        f"SELECT v.t, v.team, sum(v.cost_usd) FROM usage_1h AS v WHERE {_LAST_DAY} GROUP BY v.t, v.team",
    ),
    Question(
        "a company's days in its own time zone",
        "SELECT v.t, sum(v.cost_usd) FROM usage_daily(tz = 'Asia/Kolkata') AS v WHERE v.org = 'northwind-1'"
        " GROUP BY v.t",
    ),
    Question(
        "tokens of a call by model, p50 and p95",
        f"SELECT v.model, quantilesTDigest(0.5, 0.95)(v.input_tokens) FROM usage_events AS v WHERE {_LAST_WEEK}"
        " GROUP BY v.model",
        100,
        _EVENTS,
    ),
    Question(
        "users of each team by day",
        "SELECT toDate(v.ts) AS day, v.team, uniq(v.user) FROM usage_events AS v GROUP BY day, v.team",
        100,
        _EVENTS,
    ),
    Question(
        "the last 100 calls of a user",
        "SELECT v.ts, v.model, v.cost_usd FROM usage_events AS v"
        " WHERE v.user = (SELECT s.user FROM usage_events_store AS s WHERE s.user != '' LIMIT 1)"
        f" AND {_LAST_WEEK} ORDER BY v.ts DESC LIMIT 100",
        100,
        _EVENTS,
    ),
    Question(
        "one call by its event_id",
        "SELECT v.ts, v.cost_usd FROM usage_events AS v"
        " WHERE v.event_id = (SELECT s.event_id FROM usage_events_store AS s LIMIT 1)",
    ),
    Question("usage_events, all of it", "SELECT sum(v.cost_usd), count() FROM usage_events AS v", 100, _EVENTS),
    Question("usage_15m, all of it", "SELECT sum(v.cost_usd), sum(v.requests) FROM usage_15m AS v", 100, _ROWS),
    Question("usage_1h, all of it", "SELECT sum(v.cost_usd), sum(v.requests) FROM usage_1h AS v", 100, _ROWS),
    Question("usage_1d_utc, all of it", "SELECT sum(v.cost_usd), sum(v.requests) FROM usage_1d_utc AS v", 100, _ROWS),
    Question(
        "usage_entities_1h, teams",
        "SELECT v.entity_id, sum(v.cost_usd) FROM usage_entities_1h AS v WHERE v.entity_type = 'team'"
        " GROUP BY v.entity_id",
        100,
        _ROWS,
    ),
    Question("entities, all of it", "SELECT count() FROM entities AS v", 100, _ROWS),
)
"""The query set of a month: what people ask, then each view of usage as a whole; others do not grow with events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How long a question took: the first time, and then the median, least and most of several; how many rows came."""

    name: str
    rows: int
    first_ms: float
    median_ms: float
    least_ms: float
    most_ms: float
    may_take_ms: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured over so many stored calls; bytes are of parts that are merged."""

    rows: int
    fill_rows_per_sec: int
    fill_cpu_us_per_row: float
    bytes_per_row: dict[str, float]
    columns: list[Column]
    answers: list[Answer]


def measured(own: OwnStore, rows: int, *, runs: int, say: Say, questions: Sequence[Question] = QUESTIONS) -> Figures:
    """The figures of a ledger that is filled first. Raises: StoreUnavailableError."""
    store = own.store()
    began, cpu_sec = time.monotonic(), own.cpu_sec()
    stored = fill(store, rows, say=say)
    took_sec, cpu_sec = time.monotonic() - began, own.cpu_sec() - cpu_sec
    say("parts are merged")
    for table in TABLES:
        store.run(f"OPTIMIZE TABLE {table} FINAL")
    sizes = {name: size / stored for name, size in bytes_of(store).items() if name in TABLES}
    answers = []
    for question in questions:
        say(question.name)
        answers.append(answered(store, question, runs=runs))
    return Figures(
        rows=stored,
        fill_rows_per_sec=round(stored / took_sec),
        fill_cpu_us_per_row=round(cpu_sec / stored * 1e6, 1),
        bytes_per_row={name: round(size, 1) for name, size in sizes.items()},
        columns=columns_of(store, TABLES[0], rows=stored),
        answers=answers,
    )


def answered(store: Store, question: Question, *, runs: int) -> Answer:
    """What a question takes, from asking to the last row. Raises: StoreUnavailableError."""
    took_ms = []
    rows = 0
    for _ in range(runs + 1):
        began = time.perf_counter()
        rows = len(store.rows(question.sql, max_execution_time=_MOST_SEC))
        took_ms.append((time.perf_counter() - began) * 1000)
    first_ms, *warm_ms = took_ms
    return Answer(
        name=question.name,
        rows=rows,
        first_ms=round(first_ms, 1),
        median_ms=round(median(warm_ms), 1),
        least_ms=round(min(warm_ms), 1),
        most_ms=round(max(warm_ms), 1),
        may_take_ms=question.most_ms,
        why=question.why,
    )
