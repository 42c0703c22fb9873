"""`burnline bench sink`: how many rated rows a second come into the ledger and its rollups, look-ups included.

1. A ledger of its own holds so many calls; a Kafka of its own has `internal.rated` full of others.
2. The sink's process, which is warm by then, stores all of them; its processor time and that of the storage process
   are counted, merges included.
3. So it goes with none of the rows looked up in the ledger (usual: rating knows that they are new), with a tenth, and
   with all (what a gateway sends that was away for days); looked-up rows lie anywhere in the stored month.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
from confluent_kafka import Producer

from deploy.bench.ledger import OwnStore, fill, fresh_rows, rated_day
from deploy.bench.workers import Workers, running_workers
from schemas.connection import KafkaSettings
from schemas.errors import FatalError, KafkaUnavailableError
from schemas.internal import BatchHeaders, batch_header, to_arrow_bytes
from schemas.topics import BY_NAME

Say = Callable[[str], None]
SHARES = (0.0, 0.1, 1.0)
_MESSAGE_ROWS = 5000
_LANES = BY_NAME["usage.events"].partitions
_TIMEOUT_SEC = 280.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a load took: `looked_up` is the share of its rows that were; CPU of the sink and of the storage process.

    `kafka_bytes` is what a row takes in `internal.rated`.
    """

    looked_up: float
    rows: int
    rows_per_sec: int
    sink_cpu_us: float
    store_cpu_us: float
    kafka_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Loads on a ledger of so many rows."""

    stored_rows: int
    loads: list[Load]


def measured(  # noqa: PLR0913  what the command line says
    own: OwnStore, kafka: KafkaSettings, stored: int, *, rows: int, shares: Sequence[float] = SHARES, say: Say
) -> Figures:
    """The figures. Raises: FatalError: a process ended or was not through in time. KafkaUnavailableError."""
    if stored:
        stored = fill(own.store(), stored, say=say)
    day = rated_day("northwind")
    loads = []
    environment = {
        "BURNLINE_CLICKHOUSE_URL": own.settings.url,
        "BURNLINE_CLICKHOUSE_USER": own.settings.user,
        "BURNLINE_CLICKHOUSE_PASSWORD_FILE": str(own.settings.password_file),
        "BURNLINE_CLICKHOUSE_DATABASE": own.settings.database,
    }
    with running_workers(kafka, ("sink",), more=environment) as workers:
        sent = _MESSAGE_ROWS * _LANES
        _send(kafka, day, first=0, count=sent, looked_up=0)  # so that it has started and is warm
        workers.through(timeout_sec=_TIMEOUT_SEC)
        for share in shares:
            say(f"{rows:,} rows, {share:.0%} of them looked up among {stored + sent:,}")
            with workers.held():
                nbytes = _send(kafka, day, first=sent, count=rows, looked_up=share)
            loads.append(_load(own, workers, rows, share=share, nbytes=nbytes))
            sent += rows
        _require_all(own, stored + sent)
    return Figures(stored_rows=stored, loads=loads)


def _load(own: OwnStore, workers: Workers, rows: int, *, share: float, nbytes: int) -> Load:
    before = own.cpu_sec()
    used = workers.through(timeout_sec=_TIMEOUT_SEC)
    return Load(
        looked_up=share,
        rows=rows,
        rows_per_sec=round(rows / used.wall_sec),
        sink_cpu_us=round(used.cpu_sec["sink"] / rows * 1e6, 1),
        store_cpu_us=round((own.cpu_sec() - before) / rows * 1e6, 1),
        kafka_bytes=round(nbytes / rows, 1),
    )


def _send(kafka: KafkaSettings, day: pa.RecordBatch, *, first: int, count: int, looked_up: float) -> int:
    """So many rows stand in `internal.rated`, as rating writes them; how many bytes. Raises: KafkaUnavailableError."""
    producer = Producer({**kafka.to_confluent(), "compression.type": "lz4", "message.max.bytes": 16 * 2**20})
    now = datetime.now(UTC)
    log_us, nbytes = time.time_ns() // 1000, 0
    for number, start in enumerate(range(first, first + count, _MESSAGE_ROWS)):
        some = min(_MESSAGE_ROWS, first + count - start)
        rows = fresh_rows(day, first=start, count=some, end=now, looked_up=looked_up)
        header = BatchHeaders(
            source_topic="usage.events", source_partition=number % _LANES, lanes=_LANES, first_offset=start,
            next_offset=start + some, log_time_us=log_us, policy_offset=-1, tick=False, rows=some,
        )  # fmt: skip
        name, value = batch_header(header)
        topic, message = kafka.topic("internal.rated"), to_arrow_bytes(rows)
        nbytes += len(message)
        producer.produce(topic, message, partition=number % _LANES, headers=[(name, value)])
        producer.poll(0)
    if producer.flush(60):
        raise KafkaUnavailableError("the load was not taken within a minute")
    return nbytes


def _require_all(own: OwnStore, rows: int) -> None:
    """Ledger and rollup hold every row. Raises: FatalError: they do not, so no figure counts."""
    store = own.store()
    ((ledger,),) = store.rows("SELECT count() FROM usage_events_store")
    ((rollup,),) = store.rows("SELECT sum(requests) FROM usage_15m_store")
    if (ledger, rollup) != (rows, rows):
        raise FatalError(f"of {rows:,} rows the ledger has {ledger:,} and the rollup {rollup:,}: no figure counts")
