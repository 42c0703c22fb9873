"""What the sink's tests share: topics of their own, rated events with a known sum, the sink as a process.

Long because one world has many sides: rows, truth, topics, process, views.
"""

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from hashlib import blake2b
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from confluent_kafka import IsolationLevel, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from schemas.connection import ONE_IN_FLIGHT, ClickHouseSettings, KafkaSettings
from schemas.errors import KafkaUnavailableError
from schemas.internal import (
    ADJUSTMENT_HEADER,
    RATED_SCHEMA,
    AdjustmentHeaders,
    BatchHeaders,
    batch_header,
    from_arrow_bytes,
    to_arrow_bytes,
)
from schemas.policies import OnePolicy, PolicyChange
from schemas.progress import Progress, progress_bytes
from schemas.requests import ReconcileRequest, Request, request_bytes
from schemas.topics import BY_NAME
from schemas.usage import LEAVES
from sinks.group_log import stored_progress
from sinks.log_reader import LogReader
from sinks.signals import TOPICS as SIGNALS
from tests.stack_clickhouse import ClickHouse

ROOT = Path(__file__).resolve().parent.parent
DAY = datetime(2026, 11, 22, tzinfo=UTC)
TOPICS = (
    "internal.rated", "internal.progress", "internal.groups", "internal.requests", "usage.policies",
    "usage.adjustments", *SIGNALS,
)  # fmt: skip
SUMMED = ("input_tokens", "output_tokens", *LEAVES)
_names = iter(range(10**6))


def rated_row(number: int, *, ts: datetime, source: str = "gw/1", **changes: Any) -> dict[str, Any]:
    """One rated event whose numbers follow from its own."""
    r = random.Random(f"{source}{number}")  # noqa: S311  no secret
    cached, uncached, text, reasoning = (r.randrange(5000) for _ in range(4))
    cost = Decimal(r.randrange(10**12)).scaleb(-12)
    row: dict[str, Any] = dict.fromkeys(RATED_SCHEMA.names)
    row |= dict.fromkeys(LEAVES, 0)
    row |= {
        "event_id": blake2b(f"{source}\0{number}".encode(), digest_size=16).hexdigest(),
        "source": source,
        "id": f"call-{number}",
        "revision": 1,
        "ts": ts,
        "received_at": ts,
        "org": "acme",
        "team": f"team-{number % 7}",
        "user": f"user-{number % 101}",
        "credential": f"key-{number % 53}",
        "agent": f"agent-{number % 11}" if number % 2 else None,
        "provider": "openai",
        "model": ("gpt-4o", "gpt-4o-mini", "o3")[number % 3],
        "input_tokens": cached + uncached,
        "output_tokens": text + reasoning,
        "input_uncached_tokens": uncached,
        "input_cache_read_tokens": cached,
        "output_text_tokens": text,
        "output_reasoning_tokens": reasoning,
        "status": "ok" if number % 10 else "error",
        "cost_usd": cost,
        "list_cost_usd": cost,
        "as_charged_cost_usd": cost,
        "pricing_status": "priced",
        "price_book_version": "test",
        "tags": [("feature", "review")] if number % 3 == 0 else None,
        "live": True,
        "maybe_duplicate": False,
        "corrects": False,
        "astray": False,
        "void": False,
        "policy_offset": -1,
        "event_partition": number % 4,
        "event_offset": number,
    }
    return row | changes


def rated_rows(
    numbers: Sequence[int], *, start: datetime = DAY, step: timedelta = timedelta(seconds=1), **changes: Any
) -> pa.RecordBatch:
    """Rated events, one step apart."""
    rows = [rated_row(number, ts=start + step * index, **changes) for index, number in enumerate(numbers)]
    return pa.RecordBatch.from_pylist(rows, schema=RATED_SCHEMA)


_MOVING = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
"""What a broker answers for some tenths of a second after a partition was made, or after it was frozen itself."""


@dataclass
class Truth:
    """What was sent, summed by the test itself."""

    requests: int = 0
    cost_usd: Decimal = Decimal(0)
    tokens: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SUMMED, 0))

    def add(self, rows: pa.RecordBatch) -> None:
        """The rows count."""
        self.requests += rows.num_rows
        self.cost_usd += sum((cost for cost in rows["cost_usd"].to_pylist() if cost is not None), Decimal(0))
        for name in SUMMED:
            self.tokens[name] += sum(value or 0 for value in rows[name].to_pylist())

    def row(self) -> tuple[Any, ...]:
        """Requests, cost, then each token column, as `sums` asks for them."""
        return (self.requests, self.cost_usd, *(self.tokens[name] for name in SUMMED))


@dataclass
class SinkWorld:
    """One sink's Kafka topics and database."""

    kafka: KafkaSettings
    clickhouse: ClickHouse
    database: str
    directory: Path
    truth: Truth = field(default_factory=Truth)

    def env(self, **settings: Any) -> dict[str, str]:
        """The environment of a sink of this world."""
        return os.environ | {
            "BURNLINE_KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "BURNLINE_KAFKA_TOPIC_PREFIX": self.kafka.topic_prefix,
            "BURNLINE_KAFKA_GROUP_PREFIX": self.kafka.group_prefix,
            "BURNLINE_CLICKHOUSE_URL": self.clickhouse.url,
            "BURNLINE_CLICKHOUSE_USER": self.clickhouse.writer_user,
            "BURNLINE_CLICKHOUSE_PASSWORD_FILE": str(self.clickhouse.writer_password_file),
            "BURNLINE_CLICKHOUSE_DATABASE": self.database,
            **{f"BURNLINE_SINK_{name.upper()}": str(value) for name, value in settings.items()},
        }

    def clickhouse_settings(self) -> ClickHouseSettings:
        """How the code under test reaches ClickHouse."""
        return self.clickhouse.settings(self.database)

    @contextmanager
    def sink(self, dies_at: str = "", **settings: Any) -> Iterator["subprocess.Popen[str]"]:
        """A running sink; ended by SIGTERM if it still runs, or killed at a point of `tests.contract.sink_dying`."""
        log = (self.directory / "sink.log").open("a")
        program = ["tests.contract.sink_dying", dies_at] if dies_at else ["sinks"]
        command = [sys.executable, "-m", *program]
        process = subprocess.Popen(
            command, cwd=ROOT, env=self.env(log_level="DEBUG", **settings), stderr=log, text=True
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(60)
            log.close()

    def logged(self) -> list[dict[str, Any]]:
        """What all sinks of this world logged."""
        file = self.directory / "sink.log"
        lines = file.read_text().split("\n")[:-1] if file.exists() else []
        return [json.loads(line) for line in lines]

    def logged_count(self, event: str) -> int:
        """How often an event was logged about `internal.rated` (or about no topic)."""
        return sum(line["event"] == event for line in self.logged())

    def send(self, *messages: tuple[int, pa.RecordBatch], commit: bool = True, counted: bool = True) -> None:
        """One transaction of rated messages: (partition, rows); counted as true if it commits and is no copy."""
        producer = Producer(
            self.kafka.to_confluent()
            | {"transactional.id": f"{self.kafka.group_prefix}test-rating", "message.max.bytes": 16 * 2**20}
            | ONE_IN_FLIGHT
        )
        producer.init_transactions(30)
        producer.begin_transaction()
        for number, (partition, rows) in enumerate(messages):
            header = BatchHeaders(
                source_topic="usage.events",
                source_partition=partition,
                lanes=4,
                first_offset=0,
                next_offset=0,
                log_time_us=1,
                policy_offset=3,
                tick=False,
                piece=number,
                rows=rows.num_rows,
            )
            topic = self.kafka.topic("internal.rated")
            producer.produce(topic, to_arrow_bytes(rows), partition=partition, headers=[batch_header(header)])
            if commit and counted:
                self.truth.add(rows)
        producer.flush(30)
        if commit:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)

    def ends(self) -> dict[tuple[str, int], int]:
        """The end of each partition that the sink reads, behind the markers; asked again while a partition moves."""
        until = time.monotonic() + 30
        while True:
            try:
                return self._ends()
            except KafkaException as error:
                if error.args[0].code() not in _MOVING or time.monotonic() > until:
                    raise
            time.sleep(0.05)

    @cached_property
    def _admin(self) -> AdminClient:
        return AdminClient(self.kafka.to_confluent())

    def _ends(self) -> dict[tuple[str, int], int]:
        asked = {
            TopicPartition(self.kafka.topic(topic), partition): OffsetSpec.latest()
            for topic in ("internal.rated", *SIGNALS)
            for partition in range(BY_NAME[topic].partitions)
        }
        answers = self._admin.list_offsets(asked, isolation_level=IsolationLevel.READ_UNCOMMITTED)
        prefix = self.kafka.topic_prefix
        return {
            (at.topic.removeprefix(prefix), at.partition): answer.result(30).offset for at, answer in answers.items()
        }

    def apply(self, *policies: OnePolicy) -> int:
        """The policies are in `usage.policies`; their policy offset."""
        change = PolicyChange(change_id=str(next(_names)), actor="test", at="now", files=(), sets=policies)
        offsets: list[int] = []
        producer = Producer(self.kafka.to_confluent())
        topic, value = self.kafka.topic("usage.policies"), change.model_dump_json().encode()
        producer.produce(topic, value, partition=0, on_delivery=lambda _, message: offsets.append(message.offset()))
        producer.flush(30)
        return offsets[0]

    def request_reconcile(self, request_id: str, *, since: date, until: date) -> None:
        """The sink is asked to reconcile these days."""
        self.request(ReconcileRequest(request_id=request_id, since=since, until=until))

    def request(self, request: Request) -> None:
        """The sink is asked for something."""
        self.produce("internal.requests", request_bytes(request))

    def produce(
        self, topic: str, value: bytes, *, partition: int = 0, headers: Sequence[tuple[str, bytes]] = ()
    ) -> int:
        """One record, outside any transaction; its offset."""
        offsets: list[int] = []
        producer = Producer(self.kafka.to_confluent())
        name = self.kafka.topic(topic)
        producer.produce(
            name, value, partition=partition, headers=list(headers),
            on_delivery=lambda _, message: offsets.append(message.offset()),
        )  # fmt: skip
        producer.flush(30)
        return offsets[0]

    def rating_says(self, *, policy_offset: int, log_time: datetime = DAY, lanes: Sequence[int] = range(4)) -> None:
        """Rating's word on its lanes: under which policies it works, and the log's time."""
        producer = Producer(self.kafka.to_confluent())
        for topic, lane in product(("usage.events", "usage.charges"), lanes):
            said = Progress(
                stage="rating",
                topic=topic,
                partition=lane,
                next_offset=0,
                policy_offset=policy_offset,
                log_time_us=int(log_time.timestamp()) * 1_000_000,
            )
            producer.produce(self.kafka.topic("internal.progress"), progress_bytes(said), key=said.key(), partition=0)
        producer.flush(30)

    def adjustments(self) -> list[tuple[int, AdjustmentHeaders, pa.RecordBatch]]:
        """What the sink said on `usage.adjustments`, committed: partition, header, rows."""
        topic = "usage.adjustments"
        with LogReader(self.kafka, name="test-adjustments") as reader:
            records = list(reader.read_to_end({(topic, part): 0 for part in range(BY_NAME[topic].partitions)}))
        return [
            (
                record.partition,
                msgspec.json.decode(dict(record.headers)[ADJUSTMENT_HEADER] or b"", type=AdjustmentHeaders),
                from_arrow_bytes(record.value),
            )
            for record in sorted(records, key=lambda record: (record.partition, record.offset))
        ]

    def progress(self) -> dict[tuple[str, int], Progress]:
        """The sink's last word on each partition."""
        with LogReader(self.kafka, name="test-progress") as reader:
            return stored_progress(reader)

    def drained(self) -> bool:
        """Whether the sink has said that it reached every end; a broker that asks to try again has not said so."""
        try:
            said = self.progress()
        except KafkaUnavailableError:
            return False
        return all(end == 0 or (place in said and said[place].next_offset >= end) for place, end in self.ends().items())

    def command(self, sql: str) -> None:
        """The statement is done in this world's database, as its writer."""
        with self.clickhouse.client(database=self.database) as client:
            client.command(sql)

    def ask(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a query in this world's database."""
        with self.clickhouse.client(database=self.database) as client:
            return [tuple(row) for row in client.query(sql, parameters=parameters).result_rows]

    def sums(self, view: str, where: str = "1") -> tuple[Any, ...]:
        """Requests, cost and tokens by a naive sum over a view."""
        requests = "count()" if view == "usage_events" else "sum(requests)"
        tokens = ", ".join(f"sum({name})" for name in SUMMED)
        return self.ask(f"SELECT {requests}, sum(cost_usd), {tokens} FROM {view} WHERE {where}")[0]

    def wrong_views(self) -> dict[str, tuple[Any, ...]]:
        """The views whose naive sums are not the truth."""
        asked = {view: self.sums(view) for view in ("usage_events", "usage_15m", "usage_1h", "usage_1d_utc")}
        asked["usage_daily"] = self.sums("usage_daily(tz = 'Asia/Kolkata')")
        asked["usage_entities_1h"] = self.sums("usage_entities_1h", "entity_type = 'team'")
        return {view: found for view, found in asked.items() if found != self.truth.row()}


def wait_for(condition: Callable[[], bool], *, seconds: float = 60, what: str = "the condition") -> None:
    """The condition holds. Raises: AssertionError: it did not within the time."""
    until, pause_sec = time.monotonic() + seconds, 0.02
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(pause_sec)
        pause_sec = min(1.5 * pause_sec, 0.3)  # many conditions cost a connection: they are not asked without end


def wait_sec(seconds: float) -> None:
    """Time passes in which the processes under test do what they do: a kill has a moment, not a condition."""
    threading.Event().wait(seconds)


@pytest.fixture
def world(kafka: str, clickhouse: ClickHouse, tmp_path: Path) -> Iterator[SinkWorld]:
    """A world of its own for each test."""
    with new_world(kafka, clickhouse, tmp_path) as made:
        yield made


@contextmanager
def new_world(bootstrap_servers: str, clickhouse: ClickHouse, directory: Path) -> Iterator[SinkWorld]:
    """Topics and a database that no other test uses."""
    kafka = new_topics(bootstrap_servers)
    with clickhouse.borrowed() as settings:
        yield SinkWorld(kafka, clickhouse, settings.database, directory)


def new_topics(bootstrap_servers: str) -> KafkaSettings:
    """The sink's topics under a prefix that no other test uses."""
    prefix = f"w{os.getpid()}-{next(_names)}."
    kafka = KafkaSettings(bootstrap_servers=bootstrap_servers, topic_prefix=prefix, group_prefix=prefix)
    admin = AdminClient(kafka.to_confluent())
    topics = [
        NewTopic(kafka.topic(name), BY_NAME[name].partitions, 1, config=BY_NAME[name].config()) for name in TOPICS
    ]
    for made in admin.create_topics(topics).values():
        made.result(30)
    return kafka
