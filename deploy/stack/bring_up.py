"""Bringing the parts of a supervised stack to health: each is healthy before the next is looked at.

Order: Kafka, its topics, ClickHouse, its tables, then rating, burn, patterns, sink, notifier and collector together.
"""

from collections.abc import Callable

from deploy.rights_admin import apply_rights
from deploy.stack.find import Stack
from deploy.stack.health import (
    Check,
    clickhouse_check,
    collector_check,
    crash_check,
    kafka_check,
    log_sizes,
    log_tail,
    program_check,
    wait_for,
)
from deploy.stack.kafka_users import ROLES
from deploy.stack.position_rules import SPEAKS, Place, silent_since
from deploy.stack.positions import PROGRESS, Positions
from deploy.stack.programs import STAGES
from deploy.stack.telling import LOG, NOTIFIER
from deploy.topics_admin import apply_topics
from schemas.errors import FatalError, KafkaUnavailableError, StoreUnavailableError
from schemas.topics import BY_NAME
from sinks.migrate import ensure_database, migrate, migrations
from sinks.store import Store, connector


class BringUp:
    """One bringing-up; `timeout_sec` bounds the wait for each part, `say` gets what is being waited for."""

    def __init__(self, stack: Stack, *, timeout_sec: float, say: Callable[[str], None]) -> None:
        self._stack = stack
        self._supervisor = stack.supervisor()
        self._own = set(self._supervisor.processes())
        self._timeout_sec = timeout_sec
        self._say = say
        self._logs_before = log_sizes(stack.layout)

    def run(self) -> None:
        """All parts are healthy. Raises: FatalError: one is not; the message ends with its log."""
        for name in ("kafka", "clickhouse"):
            if name in self._own:
                self._supervisor.start(name)
        kafka, clickhouse = self._stack.kafka(), self._stack.clickhouse(role="writer")
        self._wait("kafka", kafka_check(kafka))
        for difference in apply_topics(kafka).differences:
            self._say(f"warning: {difference}")
        if "kafka" in self._own:
            apply_rights(kafka, roles=ROLES)
        self._wait("clickhouse", clickhouse_check(clickhouse))
        self._wait("clickhouse", self._tables)
        with Positions(kafka) as positions:
            spoken_before = self._spoken(positions)
            collector = ["collector"] if "collector" in self._own else []
            for name in (*STAGES, NOTIFIER, *collector):
                self._supervisor.start(name)
            for stage in SPEAKS:  # these speak though nothing comes
                places = [(topic, part) for topic in SPEAKS[stage] for part in range(BY_NAME[topic].partitions)]
                self._wait(stage, self._speaks(positions, stage, spoken_before, places))
            self._wait(NOTIFIER, self._speaks(positions, NOTIFIER, spoken_before, [LOG]))
        if collector:
            self._wait("collector", collector_check(self._stack.record.collector_port))
        self._wait("sink", program_check(self._supervisor, "sink"))
        self._supervisor.start("watchdog")

    def _tables(self) -> str | None:
        settings = self._stack.clickhouse(role="writer")
        store = Store(connector(settings), settings.database)
        try:
            ensure_database(connector(settings), settings.database)
            migrate(store, migrations())
        except StoreUnavailableError as error:
            return f"waiting for its tables: {error}"
        finally:
            store.close()
        return None

    def _spoken(self, positions: Positions) -> int:
        """How much the stages have said so far.

        A broker that goes on with old data refuses to answer for a moment after it took part in its cluster ("leader
        epoch is newer than broker epoch").
        """
        found: dict[Place, int] = {}

        def check() -> str | None:
            try:
                found.update(positions.ends([PROGRESS]))
            except KafkaUnavailableError as error:
                return str(error)
            return None

        self._wait("kafka", check)
        return found[PROGRESS, 0]

    def _speaks(self, positions: Positions, stage: str, spoken_before: int, places: list[Place]) -> Check:
        """A check that a stage has said on each of the partitions how far it is, since this began."""

        def check() -> str | None:
            try:
                silent = silent_since(stage, positions.progress(), spoken_before, places)
            except KafkaUnavailableError as error:
                return str(error)
            return f"waiting until it works on {len(silent)} more partitions" if silent else None

        return check

    def _wait(self, what: str, check: Check) -> None:
        """As `wait_for`; a failure ends with what the part has logged since this began, where the part is ours."""
        own = what in self._own
        dead = crash_check(self._supervisor, self._stack.layout, what) if own else lambda: None
        try:
            wait_for(what, check, timeout_sec=self._timeout_sec, dead=dead, said=self._say)
        except FatalError as error:
            if not own:
                raise
            log = self._stack.layout.log(what)
            lines = log_tail(log, after_bytes=self._logs_before.get(what, 0))
            shown = "".join(f"\n  | {line}" for line in lines) or " (it says nothing)"
            raise FatalError(f"{error}; the end of {log}:{shown}") from None
