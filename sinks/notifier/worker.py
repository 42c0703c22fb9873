"""The worker of the notifier: reads alerts, policies and requests, sends, records what came of it.

1. Alerts are read and wait at their routes. A crash: they are read again, because no position passed them.
2. A delivery is sent. A crash before 3: it is sent once more; receivers know it by (alert_id, seq).
3. What came of it and the positions that it frees are recorded in one transaction. Only then is the route's next
   delivery sent, so a crash repeats at most one delivery of each route.
Who opens the log fences the notifier before it, so that two never deliver side by side for long.
Long because one loop joins what is read, sent and recorded.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from msgspec.structs import replace
from pydantic import ValidationError
from structlog.typing import FilteringBoundLogger

from schemas.deliveries import TOPIC as DELIVERIES
from schemas.deliveries import DeliveryStatus, Resend, Said
from schemas.errors import KafkaUnavailableError, LogChangedError
from schemas.policies import Policies, PolicyChange, fold
from schemas.progress import Progress
from schemas.topics import TOPICS
from sinks.group_log import GroupLog, stored_progress, word
from sinks.log_reader import End, LogReader, Place, Record
from sinks.notifier.alerts import Again, alert_in
from sinks.notifier.desk import Desk
from sinks.notifier.flights import Flights
from sinks.notifier.heart import PLACE as HEARTBEATS
from sinks.notifier.heart import Heart, alert_record
from sinks.notifier.queues import Limits
from sinks.notifier.routing import routes_in
from sinks.notifier.standing import Standing, said_in, standing
from sinks.notifier.unheard import Unheard
from sinks.patience import Patience, StopRequested

STAGE = "notifier"
ALERTS = tuple(topic.name for topic in TOPICS if topic.name.startswith("alerts."))
POLICIES = "usage.policies"
LOG: Place = (DELIVERIES, 0)
MOST_FACTS = 500
SPEAKS = timedelta(seconds=5)
"""It says its position in its own log at least that often."""
RECALLS = timedelta(days=7)
"""How far back a start looks for who was told of episodes that may still be open."""
_IDLE_SEC = 0.1
_BUSY_SEC = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifierDoors:
    """What the worker reads from, writes to and sends by."""

    reader: LogReader
    open_reader: Callable[[], LogReader]
    log: GroupLog
    flights: Flights
    patience: Patience
    now: Callable[[], datetime]
    heart: Heart | None = None


class NotifierWorker:
    """Tells alerts; for one thread."""

    def __init__(
        self, doors: NotifierDoors, limits: Limits, log: FilteringBoundLogger, *, start_back_sec: float, land_sec: float
    ) -> None:
        self._doors = doors
        self._patience = doors.patience
        self._again = Again(doors.open_reader)
        self._unheard = Unheard()
        self._log = log
        self._start_back = timedelta(seconds=start_back_sec)
        self._land_sec = land_sec
        self._desk = Desk(limits)
        self._policies: Policies = {}
        self._topic_ids: dict[str, str] = {}
        self._read: dict[Place, int] = {}  # next offset to read
        self._said: dict[Place, Progress] = {}
        self._log_end = 0
        self._mark: tuple[int, dict[Place, int]] = (0, {})  # an end of the log, and how far alerts were read then
        self._spoken_at = datetime.min.replace(tzinfo=UTC)

    def run(self) -> None:
        """Ends only by an error or StopRequested. Raises: FencedError."""
        self._start()
        statuses: list[DeliveryStatus] = []
        try:
            while True:
                self._patience.check()
                statuses += self._gather()
                statuses += self._landed(wait_sec=0.0)
                self._record(statuses)
                statuses = []
                for route, delivery in self._desk.departures(now=self._doors.now()):
                    self._doors.flights.start(route, delivery)
                self._catch_up()
        except StopRequested:
            self._land(statuses)
            raise

    def _start(self) -> None:
        until_done, reader = self._patience.until_done, self._doors.reader
        until_done(self._doors.log.open)
        said = until_done(lambda: stored_progress(reader, stage=STAGE))
        for topic in (*ALERTS, DELIVERIES):
            facts = until_done(lambda topic=topic: reader.facts(topic))  # type: ignore[misc]  # mypy does not infer defaults of lambdas
            self._topic_ids[topic] = facts.topic_id
            for partition in range(facts.partitions):
                place = (topic, partition)
                self._read[place] = until_done(lambda place=place: self._first(place, said.get(place)))  # type: ignore[misc]  # as above
        self._said = {place: self._word(place, at) for place, at in self._read.items()}
        # Said at once: an alert that comes while a first life is down is not taken for one from before the start.
        until_done(lambda: self._doors.log.commit(group=None, progress=list(self._said.values())))
        self._recall({place for place in said if place in self._read and place != LOG})
        policies = until_done(lambda: list(reader.read_to_end({(POLICIES, 0): 0})))
        for record in policies:
            self._take_policy(record)
        low, _ = until_done(lambda: reader.bounds(LOG))
        at = max(low, self._read[LOG])
        found, self._log_end = until_done(lambda: self._stood(at))
        self._desk.remember(found.settled)
        self._desk.use(routes_in(self._policies))
        asked = [status for request in found.open for status in self._ask(request)]
        self._record(asked)
        heart = self._doors.heart
        first = until_done(lambda: heart.begin(reader, now=self._doors.now())) if heart is not None else None
        beating = {} if first is None else {HEARTBEATS: first}
        here = {LOG: self._log_end, (POLICIES, 0): policies[-1].offset + 1 if policies else 0}
        reader.assign(beating | self._read | here)

    def _recall(self, places: Iterable[Place]) -> None:
        """Who was told of an episode by an earlier life is known, as far back as episodes are remembered."""
        reader, until_done = self._doors.reader, self._patience.until_done
        for place in sorted(places):
            since = until_done(lambda place=place: reader.offset_at(place, self._doors.now() - RECALLS))  # type: ignore[misc]  # as above
            if since >= self._read[place]:
                continue
            until_done(lambda at=(place, since): self._recall_from(*at))  # type: ignore[misc]  # as above

    def _recall_from(self, place: Place, since: int) -> None:
        for record in self._doors.reader.read_to_end({place: since}):
            if record.offset >= self._read[place]:
                break
            alert = alert_in(record.value)
            if alert is not None:
                self._desk.recall(alert)

    def _stood(self, at: int) -> tuple[Standing, int]:
        """What earlier lives said, from this offset of the log on, and where its end is."""
        end = at

        def said() -> Iterator[bytes]:
            nonlocal end
            for record in self._doors.reader.read_to_end({LOG: at}):
                end = record.offset + 1
                said = said_in(record.value)
                if isinstance(said, DeliveryStatus):
                    self._unheard.take(said, offset=record.offset)
                yield record.value

        return standing(said(), self._read), end

    def _first(self, place: Place, entry: Progress | None) -> int:
        """Where reading begins: where the last life was; at the very first start, with alerts of the last hour."""
        low, high = self._doors.reader.bounds(place)
        if entry is not None and entry.topic_id == self._topic_ids[place[0]] and entry.next_offset <= high:
            return max(low, entry.next_offset)
        return low if place == LOG else self._doors.reader.offset_at(place, self._doors.now() - self._start_back)

    def _gather(self) -> list[DeliveryStatus]:
        """What came within a moment, at the desk; what to record of it."""
        statuses: list[DeliveryStatus] = []
        wait_sec = _BUSY_SEC if self._desk.in_flight else _IDLE_SEC
        try:
            for _ in range(MOST_FACTS):
                fact = self._doors.reader.take(wait_sec=wait_sec)
                if fact is None:
                    break
                self._patience.back()
                place = (fact.topic, fact.partition)
                if isinstance(fact, Record):
                    statuses += self._take(fact)
                    self._passed(place, fact.offset + 1)
                elif isinstance(fact, End):
                    self._passed(place, fact.offset)
                else:
                    self._skip_lost(place)
                wait_sec = 0.0
        except KafkaUnavailableError as error:
            self._patience.gone(error)
        return statuses

    def _catch_up(self) -> None:
        """Routes that were put aside and have room again had more of what they missed, one stretch at a time."""
        if not self._desk.is_behind:
            self._again.rest()
        for key, place, offset in self._desk.behind()[:1]:
            end = self._read[place]
            find = partial(self._again.since, place, offset, until=end, most=MOST_FACTS)
            alerts, until = self._patience.until_done(find)
            if self._desk.catch_up(key, place, alerts, until=until, now=self._doors.now()) >= end:
                self._desk.caught_up(key, place)

    def _passed(self, place: Place, next_offset: int) -> None:
        if place == LOG:
            self._log_end = next_offset
        elif place in self._read:
            self._read[place] = next_offset

    def _take(self, record: Record) -> list[DeliveryStatus]:
        now = self._doors.now()
        if record.topic == POLICIES:
            self._take_policy(record)
            self._desk.use(routes_in(self._policies))
            return []
        if (record.topic, record.partition) == HEARTBEATS:
            if self._doors.heart is not None:
                self._doors.heart.take(record, now=now)
            return []
        if record.topic == DELIVERIES:
            return self._hear(said_in(record.value), record.offset)
        alert = alert_in(record.value)
        if alert is None:
            place = f"{record.topic}/{record.partition}@{record.offset}"
            self._log.error("an alert that cannot be read is not told", place=place)
        else:
            self._desk.take(alert, place=(record.topic, record.partition, record.offset), now=now)
        return []

    def _hear(self, said: DeliveryStatus | Resend | None, offset: int) -> list[DeliveryStatus]:
        if isinstance(said, DeliveryStatus):
            self._unheard.take(said, offset=offset)
        return self._ask(said) if isinstance(said, Resend) else []

    def _take_policy(self, record: Record) -> None:
        try:
            change = PolicyChange.model_validate_json(record.value)
        except ValidationError:
            self._log.error("policy change skipped", offset=record.offset)
            return
        self._policies = fold(self._policies, change, offset=record.offset)

    def _ask(self, request: Resend) -> list[DeliveryStatus]:
        place = (request.topic, request.partition)
        known = place in self._read and place != LOG
        find = partial(self._again.at, place, request.offset)
        alert = self._patience.until_done(find) if known else None
        return self._desk.ask(request, alert, now=self._doors.now())

    def _skip_lost(self, place: Place) -> None:
        if place[0] == POLICIES:
            raise LogChangedError("changes of usage.policies are gone; routes are not known without them")
        low, _ = self._patience.until_done(lambda: self._doors.reader.bounds(place))
        self._log.error("retention took alerts before they were told", topic=place[0], partition=place[1], next=low)
        self._patience.until_done(lambda: self._doors.reader.seek(place, low))

    def _landed(self, *, wait_sec: float) -> list[DeliveryStatus]:
        now = self._doors.now()
        landed = self._doors.flights.landed(wait_sec=wait_sec)
        came = [self._desk.came(key, outcome, now=now) for key, outcome in landed]
        return came + self._desk.overdue(now=now)

    def _record(self, statuses: list[DeliveryStatus]) -> None:
        """What came of deliveries and the positions that are free now, together; nothing waits on what is not there."""
        entries = self._entries()
        now, until_done = self._doors.now(), self._patience.until_done
        if LOG not in {(entry.topic, entry.partition) for entry in entries} and now - self._spoken_at >= SPEAKS:
            # A sign of life, also where a route that takes nothing holds every position; and being fenced is heard.
            entries.append(self._word(LOG, self._said[LOG].next_offset))
        heart = self._doors.heart
        alert = heart.look(now=now) if heart is not None else None
        if not statuses and not entries and alert is None:
            return
        records = [
            (LOG, status.delivery_id.encode(), Said(data=status).model_dump_json().encode()) for status in statuses
        ]
        records += [alert_record(alert)] if alert is not None else []
        until_done(lambda: self._doors.log.commit(group=None, progress=entries, records=records))
        self._said |= {(entry.topic, entry.partition): entry for entry in entries}
        if any(entry.topic == DELIVERIES for entry in entries):
            self._spoken_at = now
        for status in statuses:
            tell = self._log.info if status.status == "delivered" else self._log.warning
            tell(
                "delivery",
                delivery=status.delivery_id,
                route=status.route,
                destination=status.destination,
                status=status.status,
                attempts=status.attempts,
                reason=status.reason,
            )

    def _entries(self) -> list[Progress]:
        """The words to say: alerts as far as no route waits for them; the log up to what is still news."""
        read = {place: at for place, at in self._read.items() if place != LOG}
        free = {place: self._desk.position(*place, read=at) for place, at in read.items()}
        log_end, mark = self._mark
        if self._desk.is_idle:
            free[LOG] = self._log_end
        elif not self._desk.is_asked and all(free[place] >= at for place, at in mark.items()):
            free[LOG], self._mark = log_end, (self._log_end, read)
        unheard = self._unheard.first(self._desk.routes, now=self._doors.now())
        if unheard is not None and LOG in free:
            free[LOG] = min(free[LOG], unheard)
        return [self._word(place, at) for place, at in free.items() if at > self._said[place].next_offset]

    def _land(self, statuses: list[DeliveryStatus]) -> None:
        """What is on its way may arrive and be recorded before the process leaves."""
        until = self._doors.now() + timedelta(seconds=self._land_sec)
        while self._desk.in_flight and self._doors.now() < until:
            statuses += self._landed(wait_sec=_IDLE_SEC)
        if statuses:
            self._record(statuses)

    def _word(self, place: Place, next_offset: int) -> Progress:
        return replace(word(place, next_offset, topic_id=self._topic_ids[place[0]]), stage=STAGE)
