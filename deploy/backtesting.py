"""What burn and patterns would have said of a past, minute by minute: their own code, in memory, given rules. Pure.

Laws
1. The log's time is event time: whatever came late or was imported is taken as if it had come when it happened.
2. Minutes follow each other; one in which nothing happened is a tick. After ten idle ones the rest are left out: for
   the watch that is a pause, and nobody's silence.
   Patterns hears its pauses, each ten minutes of their first day, since runs and findings are over by themselves.
3. Budgets are judged from nothing: what they had spent before the first minute is not known here
   (`burnline alerts would-have-fired` asks the ledger).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import count, groupby
from typing import TypeVar

import msgspec
import pyarrow as pa

from schemas.internal import (
    ADJUSTMENT_HEADER,
    OPENING_SCHEMA,
    AdjustmentHeaders,
    BatchHeaders,
    batch_header,
    to_arrow_bytes,
)
from schemas.policies import InForce, Key, OnePolicy, Policies, key_of
from schemas.signals import Alert, CloudSignal
from schemas.topics import PARTITIONS
from streams.burn.deltas import deltas_of
from streams.burn.engine import advance
from streams.burn.state import BurnState
from streams.kept_lane import header_of
from streams.patterns.engine import advance as advance_patterns
from streams.patterns.rows import rows_of
from streams.patterns.state import PatternsState
from streams.ports import LaneLogic, Output, SourceBatch, SourceRecord, Ticks
from streams.rating.adjusting import ADJUSTMENTS_TOPIC
from streams.rating.messages import Batch, delta_messages
from streams.rating.stage import RatingStage

T = TypeVar("T")
_EVENTS, _STEPS = "usage.events", "internal.steps"
MINUTE_US = 60_000_000
GRACE_US = 10_000_000
"""Minutes are cut 10 s after the full one, when burn judges the one before."""
_MOST_IDLE = 10
_PAUSE_US = 10 * MINUTE_US
_LONGEST_US = 26 * 60 * MINUTE_US
"""After a day without a word everything of patterns is over."""


class RulesNow:
    """The same policies since ever; conforms to `streams.ports.PolicyLog`."""

    def __init__(self, policies: Iterable[OnePolicy]) -> None:
        self._policies: dict[Key, InForce] = {
            key_of(one): InForce(policy=one, since=0, matched_since=0) for one in policies
        }

    def latest(self) -> tuple[int, Policies]:
        """Offset 0."""
        return 0, self._policies

    def at(self, offset: int) -> Policies:
        """What is in force at any offset."""
        del offset
        return self._policies


class Past:
    """A lane of burn that is given one minute after the other."""

    def __init__(self, rules: RulesNow) -> None:
        self._rules = rules
        self._state = BurnState()
        self._offset = 0
        self._has_rows = False

    def minute(self, rows: pa.RecordBatch | None, *, until_us: int) -> list[Alert]:
        """The alerts of a minute's delta rows (sorted by key), and of the clock that has reached its end."""
        alerts = [] if rows is None else self._say(rows, until_us - MINUTE_US)
        return alerts + self._say(None, until_us)

    def message(self, output: Output) -> list[Alert]:
        """The alerts of a message that rating has sent; none before the first row came."""
        self._has_rows |= bool(output.value)
        if not self._has_rows:
            return []
        return self._read(SourceRecord(self._offset, 0, output.key, output.value, output.headers))

    def _say(self, rows: pa.RecordBatch | None, log_us: int) -> list[Alert]:
        header = BatchHeaders(
            source_topic="usage.events",
            source_partition=0,
            lanes=1,
            first_offset=self._offset,
            next_offset=self._offset + (rows is not None),
            log_time_us=log_us,
            policy_offset=0,
            tick=rows is None,
            rows=0 if rows is None else rows.num_rows,
            opened=0,
        )
        value = None if rows is None else to_arrow_bytes(rows)
        return self._read(SourceRecord(self._offset, log_us, None, value, [batch_header(header)]))

    def _read(self, record: SourceRecord) -> list[Alert]:
        self._offset += 1
        outputs = advance(
            self._state, header_of(record, "internal.deltas"), deltas_of(record), self._rules, silent=True
        )
        return _alerts(outputs)


class StepsPast:
    """A lane of patterns that is given what rating has sent it."""

    def __init__(self, rules: RulesNow) -> None:
        self._rules = rules
        self._state = PatternsState()
        self._offset = 0

    def message(self, output: Output) -> list[Alert]:
        """The alerts of a message of rating."""
        record = SourceRecord(self._offset, 0, output.key, output.value, output.headers)
        self._offset += 1
        header = header_of(record, "internal.steps")
        return _alerts(advance_patterns(self._state, header, rows_of(record), self._rules))


Pasts = Mapping[str, Sequence[Past] | Sequence[StepsPast]]
"""By topic, of each partition."""


def _alerts(outputs: Iterable[Output]) -> list[Alert]:
    said = (CloudSignal.model_validate_json(one.value).data for one in outputs if one.topic.startswith("alerts."))
    return [one for one in said if isinstance(one, Alert)]


def told_before(until: datetime, alerts: Iterable[Alert]) -> list[Alert]:
    """Those told before then, by time: a minute that is not over is not judged, and what is to come is no silence."""
    return sorted((one for one in alerts if one.at < until), key=lambda one: one.at)


def of_rows(minutes: Iterable[tuple[int, pa.RecordBatch]], rules: RulesNow) -> Iterator[Alert]:
    """The alerts of delta rows with the minute in which they begin (microseconds), in order of time."""
    past = Past(rules)
    for start_us, some in _with_idle(minutes):
        yield from past.minute(some, until_us=start_us + MINUTE_US + GRACE_US)


def of_steps(minutes: Iterable[tuple[int, pa.RecordBatch]], rules: RulesNow) -> Iterator[Alert]:
    """The alerts of single calls (STEP_SCHEMA, by time), cut into minutes as `of_events` does, in order of time."""
    rating = RatingStage(rules)
    lanes = [rating.lane(_EVENTS, partition) for partition in range(PARTITIONS)]

    def sent(rows: pa.RecordBatch) -> Iterable[Output]:
        log_us = rows.column("ts_us")[-1].as_py()
        return delta_messages(Batch(_EVENTS, 0, PARTITIONS, 0, 1, log_us, 0, tick=False), None, rows)

    yield from _judged(minutes, lanes, {_STEPS: [StepsPast(rules) for _ in range(PARTITIONS)]}, sent)


def of_events(events: Iterable[tuple[int, bytes]], rules: RulesNow) -> Iterator[Alert]:
    """The alerts of events (event time, CloudEvent), in order of time (in_order.py): rated, then judged.

    No more of them are held than came in one minute.
    """
    minutes = ((at_us, list(some)) for at_us, some in groupby(events, key=_minute))
    rating = RatingStage(rules)
    lanes = [rating.lane(_EVENTS, partition) for partition in range(PARTITIONS)]
    pasts: Pasts = {
        "internal.deltas": [Past(rules) for _ in range(PARTITIONS)],
        _STEPS: [StepsPast(rules) for _ in range(PARTITIONS)],
    }
    _told(pasts, rating.lane(ADJUSTMENTS_TOPIC, 0).step(_empty_opening()).outputs)
    offsets = count()

    def sent(some: list[tuple[int, bytes]]) -> Iterable[Output]:
        records = [SourceRecord(next(offsets), at_us, None, value, ()) for at_us, value in some]
        return lanes[0].step(SourceBatch(_EVENTS, 0, records)).outputs

    yield from _judged(minutes, lanes, pasts, sent)


def _minute(event: tuple[int, bytes]) -> int:
    """The minute in which an event is taken, in microseconds since 1970."""
    return (event[0] - GRACE_US) // MINUTE_US * MINUTE_US


def _judged(
    minutes: Iterable[tuple[int, T]], lanes: Sequence[LaneLogic], pasts: Pasts, sent: Callable[[T], Iterable[Output]]
) -> Iterator[Alert]:
    """The alerts of minutes of calls that become messages of rating, and of its lanes' ticks."""
    until_us = None
    for start_us, some in _with_idle(minutes):
        for at_us in _pause(until_us, start_us + GRACE_US):
            yield from _told({_STEPS: pasts[_STEPS]}, _ticks(lanes, at_us))
        if some is not None:
            yield from _told(pasts, sent(some))
        until_us = start_us + MINUTE_US + GRACE_US
        yield from _told(pasts, _ticks(lanes, until_us))


def _pause(from_us: int | None, to_us: int) -> Iterator[int]:
    """The times in (from, to] at which patterns is told that nothing came; none where nothing was left out."""
    if from_us is not None and from_us < to_us:
        yield from range(from_us + _PAUSE_US, min(to_us, from_us + _LONGEST_US), _PAUSE_US)
        yield to_us


def _ticks(lanes: Iterable[LaneLogic], at_us: int) -> Iterator[Output]:
    """What each lane of rating sends where nothing came up to this time."""
    for lane in lanes:
        ticked = lane.tick(at_us) if isinstance(lane, Ticks) else None
        yield from ticked.outputs if ticked is not None else ()


def _told(pasts: Pasts, outputs: Iterable[Output]) -> list[Alert]:
    """Each lane of burn and patterns has read what rating sent it."""
    sent = [output for output in outputs if output.topic in pasts and output.partition is not None]
    return [alert for output in sent for alert in pasts[output.topic][output.partition or 0].message(output)]


def _empty_opening() -> SourceBatch:
    """What a ledger without a row says of the first budgets."""
    header = msgspec.json.encode(AdjustmentHeaders(kind="opening", opened=0))
    nothing = to_arrow_bytes(pa.RecordBatch.from_pylist([], schema=OPENING_SCHEMA))
    return SourceBatch(ADJUSTMENTS_TOPIC, 0, [SourceRecord(0, 0, None, nothing, [(ADJUSTMENT_HEADER, header)])])


def _with_idle(minutes: Iterable[tuple[int, T]]) -> Iterator[tuple[int, T | None]]:
    """Each minute with something in it, up to so many idle ones after each, and those after the last."""
    last_us = None
    for start_us, some in minutes:
        if last_us is not None:
            until_us = min(start_us, last_us + _MOST_IDLE * MINUTE_US)
            yield from ((idle_us, None) for idle_us in range(last_us + MINUTE_US, until_us, MINUTE_US))
        yield start_us, some
        last_us = start_us
    if last_us is not None:
        until_us = last_us + _MOST_IDLE * MINUTE_US
        yield from ((idle_us, None) for idle_us in range(last_us + MINUTE_US, until_us, MINUTE_US))
