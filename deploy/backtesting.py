"""What burn and patterns would have said of a past, minute by minute: their own code, in memory, given rules. Pure.

Laws
1. The log's time is event time: whatever came late or was imported is taken as if it had come when it happened.
2. Minutes follow each other; one in which nothing happened is a tick. After ten idle ones the rest are left out: for
   the watch that is a pause, and nobody's silence.
   Patterns hears its pauses, each ten minutes of their first day, since runs and findings are over by themselves.
3. Budgets are judged from nothing: what they had spent before the first minute is not known here
   (`burnline alerts would-have-fired` asks the ledger).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

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
from streams.rating.stage import RatingStage

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


def _alerts(outputs: Iterable[Output]) -> list[Alert]:
    said = (CloudSignal.model_validate_json(one.value).data for one in outputs if one.topic.startswith("alerts."))
    return [one for one in said if isinstance(one, Alert)]


def of_rows(minutes: Mapping[int, pa.RecordBatch], rules: RulesNow) -> Iterator[Alert]:
    """The alerts of delta rows by the minute in which they begin (microseconds), in order."""
    past = Past(rules)
    for start_us in _with_idle(minutes):
        yield from past.minute(minutes.get(start_us), until_us=start_us + MINUTE_US + GRACE_US)


def of_events(events: Iterable[tuple[int, bytes]], rules: RulesNow) -> Iterator[Alert]:
    """The alerts of events (event time, CloudEvent), whatever their order: rated, then judged."""
    minutes: dict[int, list[tuple[int, bytes]]] = {}
    for at_us, value in events:
        minutes.setdefault((at_us - GRACE_US) // MINUTE_US * MINUTE_US, []).append((at_us, value))
    rating = RatingStage(rules)
    lanes = [rating.lane("usage.events", partition) for partition in range(PARTITIONS)]
    pasts: dict[str, Sequence[Past] | Sequence[StepsPast]] = {
        "internal.deltas": [Past(rules) for _ in range(PARTITIONS)],
        "internal.steps": [StepsPast(rules) for _ in range(PARTITIONS)],
    }
    _told(pasts, rating.lane(ADJUSTMENTS_TOPIC, 0).step(_empty_opening()).outputs)
    offset, until_us = 0, None
    for start_us in _with_idle(minutes):
        for at_us in _pause(until_us, start_us + GRACE_US):
            yield from _told({"internal.steps": pasts["internal.steps"]}, _ticks(lanes, at_us))
        some = sorted(minutes.get(start_us, ()))
        if some:
            records = [
                SourceRecord(offset + place, at_us, None, value, ()) for place, (at_us, value) in enumerate(some)
            ]
            offset += len(records)
            yield from _told(pasts, lanes[0].step(SourceBatch("usage.events", 0, records)).outputs)
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


def _told(pasts: Mapping[str, Sequence[Past] | Sequence[StepsPast]], outputs: Iterable[Output]) -> list[Alert]:
    """Each lane of burn and patterns has read what rating sent it."""
    sent = [output for output in outputs if output.topic in pasts and output.partition is not None]
    return [alert for output in sent for alert in pasts[output.topic][output.partition or 0].message(output)]


def _empty_opening() -> SourceBatch:
    """What a ledger without a row says of the first budgets."""
    header = msgspec.json.encode(AdjustmentHeaders(kind="opening", opened=0))
    nothing = to_arrow_bytes(pa.RecordBatch.from_pylist([], schema=OPENING_SCHEMA))
    return SourceBatch(ADJUSTMENTS_TOPIC, 0, [SourceRecord(0, 0, None, nothing, [(ADJUSTMENT_HEADER, header)])])


def _with_idle(minutes: Mapping[int, object]) -> Iterator[int]:
    """Each minute with something in it, up to so many idle ones after each, and those after the last."""
    busy = sorted(minutes)
    for start_us, following_us in zip(busy, [*busy[1:], None], strict=True):
        yield start_us
        last_us = start_us + _MOST_IDLE * MINUTE_US
        until_us = last_us if following_us is None else min(following_us, last_us)
        yield from range(start_us + MINUTE_US, until_us, MINUTE_US)
