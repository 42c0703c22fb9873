"""The notifier's heartbeats: one to each partition of `usage.events` now and then, and what it means if none returns.

The notifier sends them because it is who would tell people. If it is dead itself, or Kafka is away, somebody outside
has to notice: `deploy/prometheus/burnline.rules.yml`.
"""

import contextlib
from datetime import datetime, timedelta
from uuid import uuid4

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from structlog.typing import FilteringBoundLogger

from schemas.connection import KafkaSettings
from schemas.errors import KafkaUnavailableError
from schemas.heartbeats import TOPIC, beat_headers, heartbeat_from_bytes
from schemas.signals import ALERT_TYPE, Alert, CloudSignal
from schemas.topics import BY_NAME
from sinks.log_questions import SILENT
from sinks.log_reader import LogReader, Place, Record
from sinks.notifier.pulse import ALERT_TOPIC, Pulse, begun, came, is_due, looked, open_episode, sent

EVENTS = "usage.events"
LANES = BY_NAME[EVENTS].partitions
PLACE: Place = (TOPIC, 0)
_ALERTS: Place = (ALERT_TOPIC, 0)
_LOOK_BACK = timedelta(days=7)
"""An episode that has been open for longer is not known any more after a restart."""


class Beats:
    """The door by which heartbeats leave, as any producer's events do."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._topic = kafka.topic(EVENTS)
        quiet = {"log_level": 0, "error_cb": lambda _error: None}
        # One that cannot leave within a few seconds is not sent late: its absence is what it has to say.
        self._settings = {**kafka.to_confluent(), **quiet, "acks": "all", "message.timeout.ms": 10_000}
        self._producer = Producer(self._settings, logger=SILENT)
        self._lost = False

    def send(self, beat_id: str, *, sent_at: datetime) -> None:
        """One heartbeat to each partition is on its way; by a new connection, if one sent before was lost."""
        if self._lost:
            self._producer, self._lost = Producer(self._settings, logger=SILENT), False
        headers = beat_headers(beat_id, sent_at=sent_at)
        for lane in range(LANES):
            with contextlib.suppress(BufferError, KafkaException):
                self._producer.produce(self._topic, b"{}", partition=lane, headers=headers, on_delivery=self._told)
        self._producer.poll(0)

    def _told(self, error: KafkaError | None, _message: Message) -> None:
        self._lost = self._lost or error is not None


class Heart:
    """Sends heartbeats and watches for them; for one thread."""

    def __init__(self, beats: Beats, log: FilteringBoundLogger, *, every: timedelta) -> None:
        self._beats = beats
        self._log = log
        self._every = every
        self._pulse: Pulse | None = None
        self._life = uuid4().hex[:8]

    def begin(self, reader: LogReader, *, now: datetime) -> int | None:
        """An episode of an earlier life is known; returns where heartbeats are read from.

        None, and none are sent, where their topic is not there yet: alerts are told all the same.
        Raises: KafkaUnavailableError: begin anew.
        """
        try:
            reader.facts(TOPIC)
        except KafkaUnavailableError as error:
            cause = error.__cause__
            if not isinstance(cause, KafkaException) or cause.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
            self._log.error("no heartbeats: create their topic (burnline topics apply), then start anew", topic=TOPIC)
            return None
        records = reader.read_to_end({_ALERTS: reader.offset_at(_ALERTS, now - _LOOK_BACK)})
        episode = open_episode(record.value for record in records)
        _, end = reader.bounds(PLACE)
        self._pulse = begun(lanes=LANES, every=self._every, now=now, episode=episode)
        return end

    def take(self, record: Record, *, now: datetime) -> None:
        """A heartbeat has come back, or what is none."""
        try:
            beat = heartbeat_from_bytes(record.value)
        except msgspec.MsgspecError:
            return
        if self._pulse is not None:
            self._pulse = came(self._pulse, beat.lane, now=now)

    def look(self, *, now: datetime) -> Alert | None:
        """The transition to publish, if any; a heartbeat that is due has left."""
        if self._pulse is None:
            return None
        if is_due(self._pulse, now=now):
            self._beats.send(f"{self._life}-{int(now.timestamp())}", sent_at=now)
            self._pulse = sent(self._pulse, now=now)
        self._pulse, alert = looked(self._pulse, now=now)
        if alert is not None:
            tell = self._log.info if alert.status == "resolved" else self._log.error
            tell("heartbeats", status=alert.status, partitions=alert.labels["partitions"])
        return alert


def alert_record(alert: Alert) -> tuple[Place, bytes, bytes]:
    """The alert as a record of its topic: place, key, value."""
    event = CloudSignal(
        type=ALERT_TYPE, id=f"{alert.alert_id}/{alert.seq}", time=alert.at, subject=f"org/{alert.org}", data=alert
    )
    return ((alert.topic, 0), alert.alert_id.encode(), event.model_dump_json().encode())
