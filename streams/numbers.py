"""What a stream worker counts of itself: once for each batch and transaction, read by the page of numbers."""

from collections import Counter
from collections.abc import Mapping, Sequence

from schemas.numbers import Family, Instrument
from streams.ports import Output, SourceRecord

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


def note_transaction(
    lane: tuple[str, int], outputs: Sequence[Output], counted: Mapping[str, int], *, took_sec: float, now_sec: float
) -> None:
    """A transaction of this lane was committed just now."""
    topic, partition = lane
    TRANSACTION.took(took_sec, topic)
    COMMITTED.set(now_sec, f"{topic}/{partition}")
    for name, count in Counter(output.topic for output in outputs).items():
        OUTPUTS.add(count, name)
    for became, count in counted.items():
        EVENTS.add(count, became)


def note_batch(
    topic: str, records: Sequence[SourceRecord], outputs: Sequence[Output], *, log_time_us: int, now_sec: float
) -> None:
    """A batch with these records was committed just now; what it says of alerts took from its log time on."""
    BATCHES.add(1, topic)
    RECORDS.add(len(records), topic)
    if records:
        BATCH_AGE.took(max(0.0, now_sec - records[0].append_time_us / 1e6), topic)
    for output in outputs:
        if output.topic.startswith(ALERTS):
            ALERT.took(max(0.0, now_sec - log_time_us / 1e6), output.topic)
