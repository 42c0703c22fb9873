"""Where a backtest's past comes from: a trace, the ledger; and what people said of it: a file, the labels of alerts."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from deploy.backtest_told import AROUND, Labelled
from deploy.moments import in_utc, moment
from deploy.store_client import rows
from producers.dialect import Skipped
from producers.replay import parse_sets, prepare, read
from schemas.connection import ClickHouseSettings
from schemas.errors import InputError
from schemas.internal import DELTA_SCHEMA
from schemas.periods import instant, micros
from sinks.anomaly_questions import labelled_anomalies, spent_by_minute

_COLUMNS = ("entity_type", "entity_id", "since", "until", "label")
_SAID = {"confirm": True, "dismiss": False, "planned": False}
_MICRO = 1_000_000


def of_trace(
    format_name: str, paths: Sequence[Path], sets: Sequence[str], *, now: datetime
) -> Iterator[tuple[int, bytes]]:
    """The events of a trace with their times in microseconds, as `burnline replay` would send them.

    Raises: InputError: a file cannot be read, or a row names no organisation and no `--set org=` does.
    """
    plan = prepare(format_name, [str(path) for path in paths], now=now, sets=parse_sets(list(sets)))
    for item in read(plan, now=now):
        if not isinstance(item, Skipped):
            yield micros(item.time), item.value


def of_ledger(
    settings: ClickHouseSettings, kinds: Sequence[str], *, since: datetime, until: datetime
) -> dict[int, pa.RecordBatch]:
    """What the ledger knows of [since, until) as delta rows, by the minute in which they begin, in microseconds."""
    asked = spent_by_minute(kinds, since=since, until=until)
    minutes: dict[int, list[dict[str, Any]]] = {}
    for row in rows(settings, asked.sql, asked.parameters):
        minutes.setdefault(int(row["t"]) * _MICRO, []).append(_delta(row))
    return {at_us: pa.RecordBatch.from_pylist(some, schema=DELTA_SCHEMA) for at_us, some in minutes.items()}


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
    """What people said of the anomalies that opened in [since, until); one that is open lasts for an hour here."""
    asked = labelled_anomalies(since=since, until=until)
    found = []
    for row in rows(settings, asked.sql, asked.parameters):
        began = in_utc(row["opened_at"])
        ended = in_utc(row["resolved_at"]) if row["resolved_at"] is not None else began + AROUND
        entity = row["entity_type"], row["entity_id"]
        said = _SAID[row["label"]]
        found.append(Labelled(*entity, began, ended, confirmed=said, org=row["org"], rule=row["rule"]))
    return found
