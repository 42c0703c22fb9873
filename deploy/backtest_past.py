"""Where a backtest's past comes from: a trace, the ledger; and what people said of it: a file, the labels of alerts."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from deploy.backtest_told import AROUND, Labelled
from deploy.backtesting import GRACE_US, MINUTE_US
from deploy.in_order import Timed
from deploy.moments import in_utc, moment
from deploy.store_client import arrow, rows
from producers.dialect import Skipped
from producers.formats import dialect
from producers.replay import parse_sets, prepare, read
from schemas.connection import ClickHouseSettings
from schemas.errors import InputError
from schemas.internal import DELTA_SCHEMA
from schemas.periods import instant, micros
from schemas.steps import STEP_SCHEMA, without_empty
from sinks.anomaly_questions import labelled_alerts, spent_by_minute
from sinks.step_questions import calls_by_minute, steps_between

Told = Callable[[datetime, int], None]
"""Hears up to when the ledger was read, and how many calls that were since it heard last."""
MOST_CALLS = 50_000
"""So many are asked for at once."""
_DAY = timedelta(days=1)
_COLUMNS = ("entity_type", "entity_id", "since", "until", "label")
_SAID = {"confirm": True, "dismiss": False, "planned": False}
_MICRO = 1_000_000
_EVENTS = "usage.events"


def _nothing(_until: datetime, _calls: int) -> None:
    """Nobody listens."""


def of_trace(
    format_name: str, paths: Sequence[Path], sets: Sequence[str], *, now: datetime, told: Told = _nothing
) -> Iterator[Timed]:
    """The events of a trace with their times in microseconds, as `burnline replay` would send them, in its order.

    Raises: InputError: a file cannot be read, or a row names no organisation and no `--set org=` does.
    """
    if (topic := dialect(format_name).topic) != _EVENTS:
        raise InputError(f"{format_name} has no calls, but what goes to {topic}; nothing can be judged of it")
    plan = prepare(format_name, [str(path) for path in paths], now=now, sets=parse_sets(list(sets)))
    for item in read(plan, now=now):
        if not isinstance(item, Skipped):
            told(item.time, 1)
            yield micros(item.time), item.value


class Stretch:
    """From when to when events go that pass by, in microseconds; None and 0 where none did."""

    def __init__(self, told: Told = _nothing) -> None:
        self.first_us: int | None = None
        self.last_us = 0
        self._told = told

    def watched(self, events: Iterable[Timed]) -> Iterator[Timed]:
        """The events, which come in order of time."""
        for at_us, value in events:
            self.first_us, self.last_us = at_us if self.first_us is None else self.first_us, at_us
            self._told(instant(at_us), 1)
            yield at_us, value


def of_ledger(
    settings: ClickHouseSettings, kinds: Sequence[str], *, since: datetime, until: datetime, told: Told = _nothing
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """What the ledger knows of [since, until) as delta rows, by the minute in which they begin, in microseconds."""
    for begin, end in _slices(settings, since=since, until=until, shift_us=0, told=told):
        asked = spent_by_minute(kinds, since=begin, until=end)
        minutes: dict[int, list[dict[str, Any]]] = {}
        for row in rows(settings, asked.sql, asked.parameters):
            minutes.setdefault(int(row["t"]) * _MICRO, []).append(_delta(row))
        for at_us in sorted(minutes):
            yield at_us, pa.RecordBatch.from_pylist(minutes[at_us], schema=DELTA_SCHEMA)


def steps_of_ledger(
    settings: ClickHouseSettings, *, since: datetime, until: datetime, told: Told = _nothing
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The single calls of [since, until), by the minutes in which `of_events` would take them, in microseconds."""
    for begin, end in _slices(settings, since=since, until=until, shift_us=GRACE_US, told=told):
        asked = steps_between(since=begin, until=end)
        found = arrow(settings, asked.sql, asked.parameters).select(STEP_SCHEMA.names).cast(STEP_SCHEMA)
        table = found.combine_chunks()
        minutes = (table["ts_us"].to_numpy() - GRACE_US) // MINUTE_US * MINUTE_US
        starts = np.flatnonzero(np.diff(minutes, prepend=-1)).tolist()
        for start, following in zip(starts, [*starts[1:], len(minutes)], strict=True):
            [some] = table.slice(start, following - start).to_batches()
            yield int(minutes[start]), without_empty(some)


def _slices(
    settings: ClickHouseSettings, *, since: datetime, until: datetime, shift_us: int, told: Told
) -> Iterator[tuple[datetime, datetime]]:
    """[since, until) in parts of whole minutes with at most MOST_CALLS, or of one minute that has more."""
    begin = since
    while begin < until:
        shift = timedelta(microseconds=shift_us)
        end = min((begin - shift).replace(hour=0, minute=0, second=0, microsecond=0) + _DAY + shift, until)
        asked = calls_by_minute(since=begin, until=end, shift_us=shift_us)
        calls = 0
        for row in rows(settings, asked.sql, asked.parameters):
            if calls and calls + row["calls"] > MOST_CALLS:
                cut = max(begin, instant(int(row["t"]) * _MICRO + shift_us))
                yield begin, cut
                told(cut, calls)
                begin, calls = cut, 0
            calls += row["calls"]
        if calls:
            yield begin, end
        told(end, calls)
        begin = end


def _delta(row: Mapping[str, Any]) -> dict[str, Any]:
    at_us, nothing = int(row["t"]) * _MICRO, dict.fromkeys(DELTA_SCHEMA.names, 0)
    names = {name: row[name] for name in ("org", "entity_type", "entity_id", "requests")}
    lists = {"member": None, "user_hashes": None, "address_hashes": None}
    times = {"bucket_us": at_us, "first_us": at_us, "last_us": at_us, "live": True}
    return nothing | lists | names | times | {"cost_micro_usd": int(row["micro_usd"])}


def labels_in(path: Path) -> list[Labelled]:
    """The labels of a CSV file: entity_type, entity_id, since, until, label; org and rule where not for all.

    Raises: InputError: the file cannot be read so.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: {error}") from error
    return [_labelled(f"{path}, row {number}", line) for number, line in enumerate(lines, start=2)]


def _labelled(where: str, line: Mapping[str, Any]) -> Labelled:
    if missing := [name for name in _COLUMNS if not line.get(name)]:
        raise InputError(f"{where}: {', '.join(missing)} is missing; columns are {', '.join(_COLUMNS)}")
    if line["label"] not in _SAID:
        raise InputError(f"{where}: label = {line['label']!r}; write one of {', '.join(_SAID)}")
    now = instant(0)  # relative times mean nothing in a file
    since, until = (moment(line[name], now=now, flag=f"{where}: {name}") for name in ("since", "until"))
    org, rule = (line.get(name) or None for name in ("org", "rule"))
    entity = line["entity_type"], line["entity_id"]
    return Labelled(*entity, since, until, confirmed=_SAID[line["label"]], org=org, rule=rule)


def labels_kept(settings: ClickHouseSettings, *, since: datetime, until: datetime) -> list[Labelled]:
    """What people said of the flags that opened in [since, until); one that is open lasts for an hour here."""
    asked = labelled_alerts(since=since, until=until)
    found = []
    for row in rows(settings, asked.sql, asked.parameters):
        began = in_utc(row["opened_at"])
        ended = in_utc(row["resolved_at"]) if row["resolved_at"] is not None else began + AROUND
        entity = row["entity_type"], row["entity_id"]
        said = _SAID[row["label"]]
        found.append(Labelled(*entity, began, ended, confirmed=said, org=row["org"], rule=row["rule"]))
    return found
