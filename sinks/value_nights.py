"""Judges each night what spending was worth, and says so on `alerts.value` and `control.advice`, exactly once.

1. Fence: whoever judged before can commit nothing any more (`GroupLog.open`).
2. Read which night was judged last, and which episodes are open: from what was said, committed records only.
3. Ask the ledger's views. An answer that does not come costs nothing: the night is judged later.
4. One transaction: the transitions, the advice, and the night as progress. A crash before: nothing was said; after: the
   night is known as judged.
Its own thread and connections, open only while a night is judged: neither rows nor signals wait for it.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from structlog.typing import FilteringBoundLogger

from schemas.connection import KafkaSettings
from schemas.errors import KafkaUnavailableError, StoreUnavailableError
from schemas.progress import Progress
from sinks.group_log import STAGE, GroupLog, stored_progress
from sinks.log_reader import LogReader, Place
from sinks.nights import next_night
from sinks.store import Store
from sinks.value_findings import Name, findings, questions
from sinks.value_verdicts import ALERTS, open_episodes, said_at_night

OWN_STAGE = "value"
NAME = f"{STAGE}-value"
PLACE: Place = (ALERTS, 0)
AGAIN_AFTER_SEC = 600.0
_LOOK_SEC = 60.0
"""The longest sleep: clocks may be set meanwhile."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class NightDoors:
    """What a night is judged by."""

    kafka: KafkaSettings
    open_store: Callable[[], Store]
    stop: threading.Event
    now: Callable[[], datetime]


def judge_nights(doors: NightDoors, log: FilteringBoundLogger, *, hour_utc: int) -> None:
    """Each night that comes is judged, and the newest one that was missed; ends when `stop` is set.

    Raises: FencedError: another sink has taken over. FatalError.
    """
    due: datetime | None = None
    while not doors.stop.is_set():
        try:
            if due is None:
                due = _due(doors, hour_utc=hour_utc)
            if doors.now() >= due:
                newest = next_night(doors.now(), hour_utc=hour_utc) - timedelta(days=1)
                said = judge(doors, newest)
                log.info("judged what spending was worth", night=newest.isoformat(), said=said)
                due = next_night(newest, hour_utc=hour_utc)
        except (KafkaUnavailableError, StoreUnavailableError) as error:
            log.warning("a night could not be judged; it is tried again", reason=str(error), after_sec=AGAIN_AFTER_SEC)
            doors.stop.wait(AGAIN_AFTER_SEC)
        else:
            doors.stop.wait(min(_LOOK_SEC, max(0.0, (due - doors.now()).total_seconds())))


def judge(doors: NightDoors, night: datetime) -> int:
    """How many records were said about the night; 0 where it was judged before.

    Raises: KafkaUnavailableError, StoreUnavailableError: nothing was said. FencedError, FatalError.
    """
    log = GroupLog(doors.kafka, stop=doors.stop, name=NAME)
    log.open()
    with LogReader(doors.kafka, name=NAME) as reader:
        judged = _judged(reader)
        if judged is not None and judged >= night:
            return 0
        low, _ = reader.bounds(PLACE)
        held = open_episodes(record.value for record in reader.read_to_end({PLACE: low}))
    store = doors.open_store()
    try:
        rows: dict[Name, list[dict[str, Any]]] = {
            name: store.arrow(asked.sql, asked.parameters).to_pylist() for name, asked in questions(night)
        }
    finally:
        store.close()
    said = said_at_night(held, findings(rows, held=held.keys()), night=night)
    log.commit(
        group=None,
        progress=[_word(night, doors.now())],
        records=[((topic, 0), key, value) for topic, key, value in said],
    )
    return len(said)


def _due(doors: NightDoors, *, hour_utc: int) -> datetime:
    """When the next night is to be judged; a stack that has judged none begins with the next one."""
    with LogReader(doors.kafka, name=NAME) as reader:
        judged = _judged(reader)
    return next_night(doors.now() if judged is None else judged, hour_utc=hour_utc)


def _judged(reader: LogReader) -> datetime | None:
    entry = stored_progress(reader, stage=OWN_STAGE).get(PLACE)
    return None if entry is None else _EPOCH + timedelta(seconds=entry.next_offset)


def _word(night: datetime, now: datetime) -> Progress:
    """Its `next_offset` is the night that was judged, in seconds since 1970: nights have no offsets."""
    return Progress(
        stage=OWN_STAGE,
        topic=PLACE[0],
        partition=PLACE[1],
        next_offset=int((night - _EPOCH).total_seconds()),
        policy_offset=-1,
        log_time_us=0,
        at_us=int((now - _EPOCH) / timedelta(microseconds=1)),
    )
