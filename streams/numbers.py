"""What a stream worker counts of itself: once for each batch and transaction, read by the page of numbers."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from schemas.numbers import Family, Instrument
from streams.ports import SourceRecord, StepResult

BATCHES = Instrument("burnline_batches_total", "counter", "batches that were committed", ("topic",))
RECORDS = Instrument("burnline_batch_records_total", "counter", "records of committed batches", ("topic",))
STEP = Instrument("burnline_step_seconds", "histogram", "time to conclude on one batch", ("topic",))
TRANSACTION = Instrument("burnline_transaction_seconds", "histogram", "time of one transaction on Kafka", ("topic",))
BATCH_AGE = Instrument(
    "burnline_batch_age_seconds", "histogram", "from the append of a batch's oldest record to its commit", ("topic",)
)
OUTPUTS = Instrument("burnline_outputs_total", "counter", "records that were written, by topic", ("topic",))
EVENTS = Instrument("burnline_events_total", "counter", "events by what became of them", ("became",))
ALERT = Instrument(
    "burnline_alert_seconds", "histogram", "from the log time that an alert rests on to its commit", ("topic",)
)
COMMITTED = Instrument("burnline_last_commit_timestamp_seconds", "gauge", "when the lane last committed", ("lane",))
ALL = (BATCHES, RECORDS, STEP, TRANSACTION, BATCH_AGE, OUTPUTS, EVENTS, ALERT, COMMITTED)
ALERTS = "alerts."


def families() -> list[Family]:
    """All numbers of this worker as they are now."""
    return [one.family() for one in ALL]


@contextmanager
def timed(instrument: Instrument, topic: str) -> Iterator[None]:
    """What was done within took so long; what failed is not counted."""
    began_sec = time.monotonic()
    yield
    instrument.took(time.monotonic() - began_sec, topic)


def note_transaction(topic: str, partition: int, result: StepResult, *, of: Sequence[SourceRecord] = ()) -> None:
    """What these records lead to was committed just now; what it says of alerts took from its log time on."""
    COMMITTED.set(time.time(), f"{topic}/{partition}")
    for name, count in Counter(output.topic for output in result.outputs).items():
        OUTPUTS.add(count, name)
        for _ in range(count if name.startswith(ALERTS) else 0):
            ALERT.took(_since_sec(result.log_time_us), name)
    for became, count in result.counted.items():
        EVENTS.add(count, became)
    if of:
        BATCHES.add(1, topic)
        RECORDS.add(len(of), topic)
        BATCH_AGE.took(_since_sec(of[0].append_time_us), topic)


def _since_sec(us: int) -> float:
    """A broker's clock may be ahead of ours; that is no time at all."""
    return max(0.0, time.time() - us / 1e6)
