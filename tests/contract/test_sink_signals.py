"""The sink against real engines: every signal is stored once; what cannot be read blocks nobody."""

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer

from schemas.errors import FencedError
from schemas.internal import BatchHeaders
from sinks.group_log import GroupLog
from sinks.groups import RatedMessage
from sinks.rows import store_rows
from sinks.store import Store, connector
from sinks.value_nights import NAME, NightDoors, judge
from tests.sink_world import SinkWorld, wait_for
from tests.stack_clickhouse import ClickHouse
from tests.value_world import call, events_of, outcome, stored_outcomes

pytestmark = pytest.mark.real
EXAMPLES = Path(__file__).resolve().parents[2] / "schemas" / "examples"


def send(world: SinkWorld, topic: str, *values: bytes) -> None:
    """The values stand in the topic."""
    producer = Producer(world.kafka.to_confluent())
    for value in values:
        producer.produce(world.kafka.topic(topic), value, partition=0)
    producer.flush(30)


def example(name: str, **data: Any) -> bytes:
    """A golden example with other data."""
    envelope = msgspec.json.decode((EXAMPLES / f"{name}.json").read_bytes())
    envelope["data"] |= data
    return msgspec.json.encode(envelope)


def assert_value_is_judged_once(world: SinkWorld) -> None:
    """Of sinks that judge a night at once one says it, a later one hears that it was said; the views have it once."""
    night = datetime(2026, 11, 23, 4, tzinfo=UTC)
    doors = NightDoors(
        kafka=world.kafka,
        open_store=lambda: Store(connector(world.clickhouse_settings()), world.database),
        stop=threading.Event(),
        now=lambda: night,
    )
    store = doors.open_store()
    events = events_of([call(1, at=night - timedelta(days=12), cost_usd="40", use_case="mails")])
    header = BatchHeaders(
        source_topic="usage.events", source_partition=0, lanes=1, first_offset=0, next_offset=0, log_time_us=0,
        policy_offset=-1, tick=False,
    )  # fmt: skip
    store.insert("usage_events_store", store_rows([RatedMessage(2, 7, header, events)], group_id="g"), token="g")
    for table, rows in stored_outcomes([outcome("1", at=night - timedelta(days=11), use_case="mails", value_usd="2")]):
        store.insert(table, rows)
    store.close()
    hung = GroupLog(world.kafka, stop=doors.stop, name=NAME)
    hung.open()
    assert judge(doors, night) == 2
    with pytest.raises(FencedError):
        hung.commit(group=None, progress=[], records=[(("alerts.value", 0), b"late", b"late")])
    assert judge(doors, night) == 0
    wait_for(world.drained, what="drained")
    asked = "SELECT rule, entity_id, status, transitions, value, threshold FROM alerts WHERE topic = 'alerts.value'"
    assert world.ask(asked) == [("low_value", "mails", "firing", 1, Decimal(40), Decimal(2))]
    asked = "SELECT entity_type, entity_id, advice, toHour(at), calls FROM advice"
    assert world.ask(asked) == [("use_case", "mails", "low_value", 4, 1)]


def test_every_kind_of_signal_reaches_its_views_once(world: SinkWorld) -> None:
    """Each golden example, sent twice, is there once; newer states replace older ones; progress reaches the ends."""
    for _ in range(2):
        send(world, "usage.rates", example("burnline.rates.v1"), example("burnline.budget_states.v1"))
        send(world, "usage.dead_letters", example("burnline.dead_letter.v1"))
        send(world, "alerts.anomalies", example("alert.spike"))
        send(world, "alerts.budgets", example("alert.budget_threshold"))
        send(world, "internal.deliveries", example("burnline.delivery.v1"))
    send(world, "internal.deliveries", example("burnline.delivery.v1", status="delivered", attempts=2, reason=""))
    over = {"status": "resolved", "resolved_at": "2026-11-22T10:00:00Z", "reason": "calmed_down"}
    send(world, "alerts.anomalies", example("alert.spike", seq=2, **over))
    later = {"windows": [], "entity_type": "team", "entity_id": "code"}
    send(world, "usage.rates", example("burnline.rates.v1", window_end="2026-11-22T09:20:00Z", rates=[later]))
    with world.sink():
        wait_for(world.drained, what="drained")
        assert_value_is_judged_once(world)
    assert world.ask("SELECT entity_id, window_sec, tokens, cost_usd FROM burn_rates ORDER BY window_sec") == [
        ("code", 300, 90000, Decimal("3.1")),
        ("code", 3600, 912000, Decimal("31.5")),
    ]
    assert world.ask("SELECT entity_id, window_sec, usd_per_hour FROM burn_now ORDER BY window_sec") == [
        ("code", 300, Decimal("37.2")),
        ("code", 3600, Decimal("31.5")),
    ]
    assert world.ask("SELECT budget_id, spent, status, forecast FROM budget_states") == [
        ("team-code-monthly", Decimal("800.1234"), "warned", None)
    ]
    assert world.ask("SELECT topic, partition, offset, reason FROM dead_letters") == [
        ("usage.events", 2, 1841, "missing_field")
    ]
    assert world.ask("SELECT delivery_id, status, attempts FROM deliveries") == [
        ("1c2d6e0e5f8a4c7d9e2f1a3b4c5d6e7f/1/on-call", "delivered", 2)
    ]
    assert world.ask("SELECT count() FROM alert_events WHERE topic != 'alerts.value'") == [(3,)]
    assert world.ask("SELECT status, labels FROM alert_events WHERE seq = 2") == [("resolved", {"agent": "review-bot"})]
    asked = "SELECT reason, transitions, opened_at, resolved_at FROM alerts WHERE rule = 'spike'"
    [(reason, transitions, opened, resolved)] = world.ask(asked)
    assert (reason, transitions, opened.hour, resolved.hour) == ("calmed_down", 2, 9, 10)
    reasons = "SELECT reason FROM alert_events WHERE topic != 'alerts.value' ORDER BY reason"
    assert world.ask(reasons) == [
        ("",),
        ("",),
        ("calmed_down",),
    ]
    assert world.ask("SELECT detector, expected, score FROM anomalies") == [("spike", 2.2, 6.5)]


def test_what_cannot_be_read_is_passed_and_what_contradicts_is_refused(world: SinkWorld) -> None:
    """Nonsense, a truncated signal and one of a later kind are one line each; what stands behind them is stored.

    Of outcomes copies change nothing and the highest revision stands; what is none, or contradicts, is a dead letter.
    """
    truncated = example("alert.spike")[:200]
    unknown = b'{"type":"burnline.prophecy.v1","data":{}}'
    send(world, "alerts.anomalies", b"nonsense", truncated, unknown, example("alert.spike"))
    first, copy, wrong, second = (
        example("burnline.outcome.v1", **said).replace(b"2026-11-20", b"2025-11-20")
        for said in ({}, {"import_id": "again"}, {"accepted": False}, {"revision": 2**31 - 1, "value_usd": "1.50"})
    )
    send(world, "usage.outcomes", first, b"nonsense", copy)
    with world.sink():
        wait_for(world.drained, what="drained")
        send(world, "usage.outcomes", first, wrong, second)  # judged by what is stored
        wait_for(world.drained, what="drained")
    assert world.ask("SELECT count() FROM alerts") == [(1,)]
    assert world.logged_count("a signal that cannot be read is left out") == 3
    assert world.ask("SELECT outcome_type, accepted, value_usd FROM outcomes") == [("merged", True, Decimal("1.5"))]
    assert world.ask("SELECT count() FROM outcome_revisions") == [(2,)]
    assert world.ask("SELECT topic, offset, reason FROM dead_letters ORDER BY offset") == [
        ("usage.outcomes", 1, "invalid_json"),
        ("usage.outcomes", 4, "conflicting_duplicate"),
    ]


def test_signals_wait_for_clickhouse(world: SinkWorld, clickhouse: ClickHouse) -> None:
    """Signals that come while ClickHouse is gone are stored when it is back."""
    if not clickhouse.embedded:
        pytest.skip("only a storage process of ours may be stopped")
    with world.sink():
        wait_for(lambda: world.logged_count("storing") == 1, what="the sink stores")
        clickhouse.stop()
        send(world, "alerts.budgets", example("alert.budget_threshold"))
        wait_for(lambda: world.logged_count("waiting") == 1, what="one line")
        clickhouse.start()
        wait_for(world.drained, what="drained")
    assert world.ask("SELECT count() FROM alerts") == [(1,)]
