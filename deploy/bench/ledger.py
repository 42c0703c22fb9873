"""A storage process of its own with a ledger of any size: the simulator's calls, rated once, then copied in the engine.

Each copy is another call: its own id, time, identity of operation, session and run, other tokens and so another cost,
spread over 30 days and four companies; so columns are as hard to compress as those of a month that really was.

Long because its copies are one statement, and what starts and fills the engine stands beside it.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa

from deploy.bench.burn_load import Fixed
from deploy.bench.latency_load import company
from deploy.stack.health import clickhouse_check
from deploy.stack.ports import free_port
from deploy.stack.programs import REPOSITORY
from schemas.connection import ClickHouseSettings
from schemas.errors import FatalError
from schemas.internal import RATED_SCHEMA, BatchHeaders, from_arrow_bytes
from schemas.keys import partition_for
from schemas.periods import micros
from schemas.signals import rfc3339
from schemas.topics import BY_NAME
from sinks.groups import RatedMessage
from sinks.migrate import ensure_database, migrate, migrations
from sinks.rows import store_rows
from sinks.store import Store, connector
from streams.ports import SourceBatch, SourceRecord
from streams.rating.stage import RatingStage

Say = Callable[[str], None]
DAYS = 30
COMPANIES = 4
_ROWS_AT_ONCE = 500_000
_SEED = "bench_seed"
_STOP_SEC = 60.0
_LOOK_SEC = 0.1
_LOG_TAIL = 1500


@dataclass(frozen=True, slots=True)
class OwnStore:
    """A storage process that runs, with all migrations applied."""

    settings: ClickHouseSettings
    pid: int

    def cpu_sec(self) -> float:
        """What it has taken so far, user and system, all threads."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    def store(self, name: str = "bench") -> Store:
        """A connection of its writer."""
        return Store(connector(self.settings), self.settings.database, name=name)


@contextmanager
def fresh_store() -> Iterator[OwnStore]:
    """An empty ledger in a temporary directory; nothing of it is left afterwards.

    Raises: FatalError: the storage process does not start; the message ends with its log. StoreUnavailableError.
    """
    with tempfile.TemporaryDirectory(prefix="burnline-bench-", ignore_cleanup_errors=True) as folder:
        passwords = []
        for role in ("writer", "analyst"):
            file = Path(folder, f"{role}.password")
            file.touch(mode=0o600)
            file.write_text(f"{role} of a benchmark")
            passwords += [f"--{role}-password-file", str(file)]
        port, log = free_port(), Path(folder, "clickhouse.log")
        words = ("-m", "deploy.clickhouse", "--path", str(Path(folder, "clickhouse")), "--port", str(port), *passwords)
        settings = ClickHouseSettings(
            url=f"http://127.0.0.1:{port}", user="writer", password_file=Path(folder, "writer.password")
        )
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *words], cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        try:
            _wait_ready(process, settings, log)
            own = OwnStore(settings, process.pid)
            ensure_database(connector(settings), settings.database)
            migrate(own.store("migrations"), migrations())
            yield own
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SEC)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_ready(process: subprocess.Popen[bytes], settings: ClickHouseSettings, log: Path) -> None:
    """It answers. Raises: FatalError: it ended, or does not answer in time."""
    deadline, check = time.monotonic() + _STOP_SEC, clickhouse_check(settings)
    while check() is not None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise FatalError(f"the storage process does not answer:\n{log.read_text(errors='replace')[-_LOG_TAIL:]}")
        time.sleep(_LOOK_SEC)


def rated_day(org: str) -> pa.RecordBatch:
    """A day of the simulator as rating writes it: each call once, priced, none of them a copy or late."""
    load = company(org)
    stage = RatingStage(Fixed())
    now = datetime.now(UTC)
    lanes: dict[int, list[SourceRecord]] = {}
    for number, template in enumerate(load.templates):
        partition = partition_for(template.key, BY_NAME["usage.events"].partitions)
        records = lanes.setdefault(partition, [])
        at = now.replace(microsecond=number % 1_000_000)
        value = template.filled(f"call-{number}".encode(), rfc3339(at).encode())
        records.append(SourceRecord(len(records), micros(now), template.key, value, ()))
    parts = []
    for partition, records in sorted(lanes.items()):
        result = stage.lane("usage.events", partition).step(SourceBatch("usage.events", partition, records))
        parts += [from_arrow_bytes(out.value) for out in result.outputs if out.topic == "internal.rated"]
    table = pa.Table.from_batches(parts, schema=RATED_SCHEMA).combine_chunks()
    return table.set_column(
        table.schema.get_field_index("maybe_duplicate"),
        table.schema.field("maybe_duplicate"),
        pa.array(np.zeros(table.num_rows, bool)),
    ).to_batches()[0]


def fresh_rows(day: pa.RecordBatch, *, first: int, count: int, end: datetime, looked_up: float) -> pa.RecordBatch:
    """So many calls of a day under new ids, the last one now, a share of them marked as perhaps stored before.

    Marked ones lie anywhere in the days that are stored, as late copies do.
    """
    place = np.arange(first, first + count) % day.num_rows
    dice = np.random.default_rng(first)
    marked = dice.random(count) < looked_up
    ages_us = np.arange(count)[::-1] * 100
    ages_us = ages_us + np.where(marked, dice.integers(0, (DAYS - 1) * 86_400, count) * 1_000_000, 0)
    ts = pa.array(micros(end) - ages_us, pa.int64()).cast(RATED_SCHEMA.field("ts").type)
    ids = [f"fresh-{number:x}" for number in range(first, first + count)]
    new = {
        "id": pa.array(ids),
        "event_id": pa.array([blake2b(one.encode(), digest_size=16).hexdigest() for one in ids]),
        "ts": ts,
        "received_at": pa.array(np.full(count, micros(end)), pa.int64()).cast(ts.type),
        "maybe_duplicate": pa.array(marked),
        "event_offset": pa.array(np.arange(first, first + count)),
    }
    taken = day.take(pa.array(place))
    columns = [new.get(field.name, column) for field, column in zip(taken.schema, taken.columns, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=RATED_SCHEMA)


_LESS_TIME = (
    "toIntervalDay(intDiv(c.number, {companies}) % {days})"
    " + toIntervalMicrosecond(sipHash64('t', s.id, c.number) % 86400000000)"
)
_MORE_IN, _MORE_OUT = "toInt64(sipHash64('i', s.id, c.number) % 1000)", "toInt64(sipHash64('u', s.id, c.number) % 200)"
_MORE_USD = f"toDecimal64(3 * {_MORE_IN} + 15 * {_MORE_OUT}, 0) / 1000000"
_NEW = {
    "id": "toString(reinterpretAsUUID(sipHash128(s.id, c.number)))",
    "event_id": "lower(hex(sipHash128('e', s.id, c.number)))",
    "ts": f"s.ts - ({_LESS_TIME})",
    "received_at": f"s.ts - ({_LESS_TIME}) + toIntervalMillisecond(400 + sipHash64(s.id, c.number) % 2000)",
    "org": "concat(s.org, '-', toString(c.number % {companies}))",
    "session": "if(s.session = '', '', concat(s.session, '-', toString(c.number)))",
    "run": "if(s.run = '', '', concat(s.run, '-', toString(c.number)))",
    "task": "if(s.task = '', '', concat(s.task, '-', toString(c.number)))",
    "operation_id": "concat('op-', substring(lower(hex(sipHash64('o', s.id, c.number))), 1, 12))",
    "tool_call_hash": "if(s.tool_call_hash = '', '', lower(hex(sipHash64('h', s.id, c.number))))",
    "input_tokens": f"s.input_tokens + {_MORE_IN}",
    "input_uncached_tokens": f"s.input_uncached_tokens + {_MORE_IN}",
    "output_tokens": f"s.output_tokens + {_MORE_OUT}",
    "output_text_tokens": f"s.output_text_tokens + {_MORE_OUT}",
    "latency_ms": "s.latency_ms + toUInt32(sipHash64('l', s.id, c.number) % 1000)",
    "ttft_ms": "s.ttft_ms + toUInt32(sipHash64('f', s.id, c.number) % 300)",
    **{name: f"s.{name} + {_MORE_USD}" for name in ("cost_usd", "list_cost_usd", "as_charged_cost_usd")},
    "event_offset": "s.event_offset + 4096 * c.number",
    "src_offset": "c.number",
    "group_id": "concat('bench-', toString(c.number))",
}


def fill(store: Store, rows: int, *, say: Say) -> int:
    """The ledger and its rollups hold at least so many calls; how many. Raises: StoreUnavailableError."""
    day = rated_day("northwind")
    store.run(f"CREATE TABLE IF NOT EXISTS {_SEED} AS usage_events_store ENGINE = MergeTree ORDER BY tuple()")
    store.insert(_SEED, _as_stored(day))
    calls = len(day)
    copies, at_once = -(-rows // calls), max(1, _ROWS_AT_ONCE // calls)
    new = ", ".join(f"{text.format(days=DAYS, companies=COMPANIES)} AS {name}" for name, text in _NEW.items())
    for first in range(0, copies, at_once):
        some = min(at_once, copies - first)
        store.run(
            f"INSERT INTO usage_events_store SELECT s.* REPLACE ({new}) FROM {_SEED} AS s"  # noqa: S608  our own names
            f" CROSS JOIN (SELECT number FROM numbers({first}, {some})) AS c",
            max_insert_threads=1,
        )
        say(f"{(first + some) * calls:,} of {copies * calls:,} rows are stored")
    store.run(f"DROP TABLE {_SEED}")
    return copies * calls


def _as_stored(day: pa.RecordBatch) -> pa.Table:
    header = BatchHeaders(
        source_topic="usage.events", source_partition=0, lanes=4, first_offset=0, next_offset=1, log_time_us=0,
        policy_offset=0, tick=False,
    )  # fmt: skip
    return store_rows([RatedMessage(0, 0, header, day)], group_id="bench")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What a column takes on disk, in all and per row."""

    table: str
    name: str
    bytes_on_disk: int
    per_row: float


def columns_of(store: Store, table: str, *, rows: int) -> list[Column]:
    """The columns of a table by what they take, the dearest first."""
    sql = (
        "SELECT p.column, sum(p.column_data_compressed_bytes + p.column_marks_bytes) AS bytes"
        " FROM system.parts_columns AS p"
        " WHERE p.active AND p.database = {database:String} AND p.table = {table:String}"
        " GROUP BY p.column ORDER BY bytes DESC"
    )
    found = store.rows(sql, {"database": store.database, "table": table})
    return [
        Column(table=table, name=name, bytes_on_disk=int(size), per_row=round(size / rows, 3)) for name, size in found
    ]


def bytes_of(store: Store) -> dict[str, int]:
    """What each table takes on disk, with its indexes and marks."""
    sql = (
        "SELECT p.table, sum(p.bytes_on_disk) FROM system.parts AS p"
        " WHERE p.active AND p.database = {database:String} GROUP BY p.table ORDER BY 2 DESC"
    )
    return {name: int(size) for name, size in store.rows(sql, {"database": store.database})}
