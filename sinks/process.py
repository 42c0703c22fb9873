"""The sink process: migrations first, then its workers in threads of their own; the first to fail ends all."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime

from structlog.typing import FilteringBoundLogger

from schemas.connection import ClickHouseSettings, KafkaSettings
from sinks.corrector import Corrector, CorrectorDoors
from sinks.group_log import STAGE, GroupLog
from sinks.groups import Limits
from sinks.inserter import Inserter
from sinks.log_reader import LogReader
from sinks.migrate import ensure_database, migrate, migrations
from sinks.opener import Opener, OpenerDoors
from sinks.patience import Patience, StopRequested
from sinks.rated import Doors, RatedWorker
from sinks.reconciler import Reconciler, ReconcilerDoors
from sinks.settings import SinkSettings
from sinks.signals import SignalDoors, SignalWorker
from sinks.store import Connect, Store, connector
from sinks.value_nights import NightDoors, judge_nights


def run_migrations(connect: Connect, database: str, *, stop: threading.Event, log: FilteringBoundLogger) -> None:
    """Database, tables and views are there, waited for as long as ClickHouse is gone.

    Raises: FatalError, StopRequested.
    """
    patience = Patience(stop, log)
    patience.until_done(lambda: ensure_database(connect, database))
    store = Store(connect, database, name="migrations")
    try:
        applied = patience.until_done(lambda: migrate(store, migrations()))
    finally:
        store.close()
    log.info("database ready", database=database, applied=applied)


class Threads:
    """Workers side by side; when one ends, all are asked to."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []

    def start(self, name: str, run: Callable[[], None]) -> None:
        """The worker runs in a thread of its own."""

        def guarded() -> None:
            try:
                run()
            except StopRequested:
                pass
            except BaseException as error:  # noqa: BLE001  a thread's end must not be silent: `join` raises it again
                self._errors.append(error)
            finally:
                self._stop.set()

        thread = threading.Thread(target=guarded, name=name)
        thread.start()
        self._threads.append(thread)

    def join(self) -> None:
        """All have ended. Raises: what the first of them ended with, if it was an error."""
        self._stop.wait()
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise self._errors[0]


def run(
    kafka: KafkaSettings,
    clickhouse: ClickHouseSettings,
    sink: SinkSettings,
    *,
    stop: threading.Event,
    log: FilteringBoundLogger,
) -> None:
    """Stores all there is until `stop` is set. Raises: FatalError, StopRequested."""
    connect = connector(clickhouse)
    run_migrations(connect, clickhouse.database, stop=stop, log=log)
    limits = Limits(rows=sink.group_rows, nbytes=sink.group_bytes, wait_us=sink.group_wait_ms * 1000)

    def store_rated() -> None:
        mine = log.bind(worker="rated")
        patience = Patience(stop, mine)
        store = Store(connect, clickhouse.database, name="ledger")
        inserter = Inserter(store, patience, mine, now=lambda: datetime.now(UTC))
        with LogReader(kafka, name=STAGE, log=mine) as reader:
            group_log = GroupLog(kafka, stop=stop)
            opener = Opener(OpenerDoors(reader=reader, log=group_log, store=store, patience=patience), mine)
            correcting = CorrectorDoors(
                log=group_log,
                store=store,
                patience=patience,
                opener=opener,
                open_reader=lambda: LogReader(kafka, name=f"{STAGE}-correct", log=mine),
                now=lambda: datetime.now(UTC),
            )
            corrector = Corrector(correcting, mine)
            reconciling = ReconcilerDoors(
                reader=reader,
                log=group_log,
                store=store,
                patience=patience,
                corrector=corrector,
                open_reader=lambda: LogReader(kafka, name=f"{STAGE}-reconcile", log=mine),
                now=lambda: datetime.now(UTC),
            )
            hour_utc = sink.reconcile_hour if sink.reconcile_hour >= 0 else None
            doors = Doors(
                reader=reader,
                log=group_log,
                inserter=inserter,
                patience=patience,
                opener=opener,
                reconciler=Reconciler(reconciling, mine, hour_utc=hour_utc, keep_days=sink.ledger_days),
                corrector=corrector,
            )
            RatedWorker(doors, limits, mine).run()

    def store_signals() -> None:
        mine = log.bind(worker="signals")
        store = Store(connect, clickhouse.database, name="signals")
        name = f"{STAGE}-signals"
        with LogReader(kafka, name=name, log=mine) as reader:
            progress_log = GroupLog(kafka, stop=stop, name=name)
            doors = SignalDoors(reader=reader, log=progress_log, store=store, patience=Patience(stop, mine))
            SignalWorker(doors, mine, wait_ms=sink.signal_wait_ms).run()

    def judge_value() -> None:
        doors = NightDoors(
            kafka=kafka,
            open_store=lambda: Store(connect, clickhouse.database, name="value"),
            stop=stop,
            now=lambda: datetime.now(UTC),
        )
        judge_nights(doors, log.bind(worker="value"), hour_utc=sink.value_hour)

    threads = Threads(stop)
    threads.start("rated", store_rated)
    threads.start("signals", store_signals)
    if sink.value_hour >= 0:
        threads.start("value", judge_value)
    threads.join()
