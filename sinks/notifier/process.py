"""The notifier's process put together: doors, worker, clock."""

import threading
from datetime import UTC, datetime, timedelta

from structlog.typing import FilteringBoundLogger

from schemas.connection import KafkaSettings
from sinks.group_log import GroupLog
from sinks.log_reader import LogReader
from sinks.notifier.courier import Courier
from sinks.notifier.flights import Flights
from sinks.notifier.heart import Beats, Heart
from sinks.notifier.settings import NotifierSettings
from sinks.notifier.worker import NotifierDoors, NotifierWorker
from sinks.patience import Patience

NAME = "notifier"
"""No other role's names begin so: rights are given by prefix, and who may write under a name may fence it."""


def run(kafka: KafkaSettings, settings: NotifierSettings, *, stop: threading.Event, log: FilteringBoundLogger) -> None:
    """Alerts are told until `stop` is set. Raises: FatalError, SettingsError, StopRequested."""

    def now() -> datetime:
        return datetime.now(UTC)

    courier = Courier(settings, now=now)
    every = timedelta(seconds=settings.heartbeat_sec)
    heart = Heart(Beats(kafka), log, every=every) if every else None
    with LogReader(kafka, name=NAME, queued_bytes=8 * 2**20, idle_ms=500, log=log) as reader:
        doors = NotifierDoors(
            reader=reader,
            open_reader=lambda: LogReader(kafka, name=f"{NAME}-again", queued_bytes=2**20),
            log=GroupLog(kafka, stop=stop, name=NAME),
            flights=Flights(courier.deliver, log),
            patience=Patience(stop, log),
            now=now,
            heart=heart,
        )
        worker = NotifierWorker(
            doors,
            settings.limits(),
            log,
            start_back_sec=settings.start_back_sec,
            land_sec=settings.timeout_sec,
        )
        log.info("telling alerts", allowed_destinations=settings.allowed_destinations)
        worker.run()
