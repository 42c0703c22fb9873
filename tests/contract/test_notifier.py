"""The notifier against a real Kafka: once per transition and route through kill and outage, and again when asked."""

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.policy_log import send_change
from deploy.resending import ask, requests_for
from deploy.stack.telling import dead_routes
from schemas.connection import KafkaSettings
from schemas.deliveries import TOPIC as DELIVERIES
from schemas.policies import PolicyChange
from schemas.signals import ALERT_TYPE, Alert, CloudSignal
from schemas.topics import BY_NAME
from sinks.group_log import stored_progress
from sinks.log_reader import LogReader
from sinks.notifier import process
from sinks.notifier.settings import NotifierSettings
from sinks.notifier.worker import ALERTS, LOG, STAGE
from sinks.patience import StopRequested
from tests.notifier_world import Receiver, a_route, an_alert, mail_box, receiver, statuses
from tests.sink_world import wait_for

pytestmark = pytest.mark.real
ROOT = Path(__file__).resolve().parents[2]
TOPICS = (*ALERTS, "usage.policies", "internal.progress", DELIVERIES)


@pytest.fixture
def settings(kafka: str, tmp_path: Path) -> KafkaSettings:
    """Topics that no other test uses."""
    prefix = f"n{os.getpid()}.{tmp_path.name}."
    made = KafkaSettings(bootstrap_servers=kafka, topic_prefix=prefix, group_prefix=prefix)
    topics = [NewTopic(made.topic(name), BY_NAME[name].partitions, 1, config=BY_NAME[name].config()) for name in TOPICS]
    admin = AdminClient(made.to_confluent())
    for done in admin.create_topics(topics).values():
        done.result(30)
    return made


@contextmanager
def notifier(settings: KafkaSettings, log: Path, **more: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A running notifier; killed at the end if it still runs."""
    env = os.environ | {
        "BURNLINE_KAFKA_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "BURNLINE_KAFKA_TOPIC_PREFIX": settings.topic_prefix,
        "BURNLINE_KAFKA_GROUP_PREFIX": settings.group_prefix,
        "BURNLINE_NOTIFIER_FIRST_WAIT_SEC": "0.1",
        "BURNLINE_NOTIFIER_LONGEST_WAIT_SEC": "0.5",
        "BURNLINE_SECRET_SIGNING": "CANARY-SECRET",
        **more,
    }
    with log.open("ab") as file:
        process = subprocess.Popen([sys.executable, "-m", "sinks.notifier"], cwd=ROOT, env=env, stderr=file)
        try:
            yield process
        finally:
            process.kill()
            process.wait(30)


def publish(settings: KafkaSettings, alerts: Sequence[Alert], *, commit: bool = True) -> None:
    """The alerts stand in their topics, or in a transaction that was undone."""
    producer = Producer(settings.to_confluent() | {"transactional.id": f"{settings.group_prefix}test-burn"})
    producer.init_transactions(30)
    producer.begin_transaction()
    for alert in alerts:
        event = CloudSignal(type=ALERT_TYPE, id=f"{alert.alert_id}/{alert.seq}", time=alert.at, data=alert)
        producer.produce(settings.topic(alert.topic), event.model_dump_json(), key=alert.alert_id)
    if commit:
        producer.commit_transaction(30)
    else:
        producer.flush(30)
        producer.abort_transaction(30)


def ids(stub: Receiver) -> list[str]:
    """What the receiver took, by dedupe key; what it answered with an error is not taken."""
    return [headers["webhook-id"] for _, headers, _ in stub.requests]


def refusing(settings: KafkaSettings) -> list[tuple[str, int]]:
    """Who takes nothing though nothing waits, and how much is parked there, as who asks for the status reads it."""
    with LogReader(settings, name="test") as reader:
        word = stored_progress(reader, stage=STAGE)[LOG]
        values = [record.value for record in reader.read_to_end({LOG: word.next_offset})]
    return [(one.route, one.parked) for one in dead_routes(values, now=datetime.now(UTC))]


def test_each_transition_reaches_each_route_once_through_a_kill_and_an_outage(
    settings: KafkaSettings, tmp_path: Path
) -> None:
    """A dead route delays nobody; after kill -9 and its recovery it has each once, as every other kind of channel."""
    alerts = [an_alert(alert_id=f"a{number}") for number in range(5)]
    alerts += [an_alert(alert_id="a0", seq=2, status="resolved", resolved_at=datetime.now(UTC))]
    alerts += [an_alert(alert_id="spike", topic="alerts.anomalies")]
    wanted = sorted(f"{alert.alert_id}/{alert.seq}" for alert in alerts)
    with receiver() as well, receiver() as dead, receiver() as others, mail_box() as box:
        dead.usual = 503
        routes = (
            a_route("well", url=well.url),
            a_route("dead", url=dead.url),
            a_route("slack", destination="slack", url=None, secret="slack"),
            a_route("pager", destination="pagerduty", url=others.url + "/pager"),
            a_route("prom", destination="alertmanager", url=others.url, secret=None),
            a_route("mail", destination="email", url=None, secret=None, to=["ops@example.com"]),
            a_route("refused", url="http://127.0.0.1:1/not-allowed"),
        )
        allowed = ",".join(f"127.0.0.1:{stub.port}" for stub in (well, dead, others))
        env = {
            "BURNLINE_NOTIFIER_ALLOWED_DESTINATIONS": f"{allowed},@example.com",
            "BURNLINE_NOTIFIER_SMTP_HOST": "127.0.0.1",
            "BURNLINE_NOTIFIER_SMTP_PORT": str(box.port),
            "BURNLINE_NOTIFIER_SMTP_SECURITY": "none",
            "BURNLINE_SECRET_SLACK": f"{others.url}/CANARY-SECRET",
        }
        everybody = (len(routes) - 2) * len(alerts)
        change = PolicyChange(change_id="1", actor="dana", at="2026-11-22T09:00:00Z", files=(), sets=routes)
        send_change(settings, change)
        publish(settings, alerts)
        publish(settings, [an_alert(alert_id="never"), an_alert(alert_id="quiet")], commit=False)
        publish(settings, [an_alert(alert_id="quiet", notify=False)])
        with notifier(settings, tmp_path / "log", **env) as first:
            wait_for(
                lambda: sum(one.status == "delivered" for one in statuses(settings)) == everybody, what="all are told"
            )
            first.kill()
            first.wait(30)
        dead.requests.clear()
        dead.usual = 200
        with notifier(settings, tmp_path / "log", **env, BURNLINE_NOTIFIER_MOST_WAITING="2") as second:
            wait_for(
                lambda: (
                    {one.status for one in statuses(settings) if one.route == "dead"} >= {"delivered"}
                    and len(dead.requests) >= len(alerts)
                ),
                what="dead is told",
            )
            assert (sorted(ids(well)), sorted(ids(dead))) == (wanted, wanted)
            paths = Counter(path for path, _, _ in others.requests)
            assert paths == dict.fromkeys(("/CANARY-SECRET", "/pager", "/api/v2/alerts"), len(alerts))
            assert len(box.messages) == len(alerts)
            assert ids(well).index("a0/1") < ids(well).index("a0/2")
            [one] = [one for one in statuses(settings) if one.delivery_id == "a0/1/well"]
            ask(settings, requests_for([dict(one)], actor="dana", now=datetime.now(UTC)))
            wait_for(lambda: ids(well).count("a0/1") == 2, what="told again")
            second.terminate()
            assert second.wait(30) == 0
    assert any(one.request_id for one in statuses(settings))
    assert refusing(settings) == [("refused", len(alerts))]
    assert "CANARY-SECRET" not in (tmp_path / "log").read_text()


def test_a_slow_route_catches_up_by_one_connection(settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """While anything is put aside the connection stays open, though the route has no room for a while."""
    alerts = [an_alert(alert_id=f"a{number}") for number in range(12)]
    opened: list[str] = []

    class Counted(LogReader):
        def __init__(self, kafka: KafkaSettings, *, name: str, **more: Any) -> None:
            opened.append(name)
            super().__init__(kafka, name=name, **more)

    monkeypatch.setattr(process, "LogReader", Counted)
    monkeypatch.setenv("BURNLINE_SECRET_SIGNING", "CANARY-SECRET")
    stop = threading.Event()
    with receiver() as slow:
        route = a_route("slow", url=slow.url)
        send_change(
            settings, PolicyChange(change_id="1", actor="dana", at="2026-11-22T09:00:00Z", files=(), sets=(route,))
        )
        publish(settings, alerts)
        allowed = NotifierSettings(allowed_destinations=f"127.0.0.1:{slow.port}", heartbeat_sec=0, most_waiting=2)

        def run() -> None:
            with suppress(StopRequested):
                process.run(settings, allowed, stop=stop, log=structlog.get_logger())

        thread = threading.Thread(target=run)
        thread.start()
        try:
            wait_for(lambda: len(slow.requests) >= len(alerts), what="all are told")
        finally:
            stop.set()
            thread.join(30)
    assert ids(slow) == [f"a{number}/1" for number in range(len(alerts))]
    assert opened.count("notifier-again") == 1
