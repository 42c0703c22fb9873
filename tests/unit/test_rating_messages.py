"""Rows and sums as messages: several where one would be too large, with every row once, and one word about time."""

import numpy as np
import pyarrow as pa
import pytest

from schemas.internal import DELTA_SCHEMA, RATED_SCHEMA, batch_from_headers, from_arrow_bytes
from schemas.topics import BY_NAME
from streams.rating import messages
from streams.rating.messages import Batch, sum_messages
from streams.rating.rows import MAX_PIECE_BYTES, pieces_of
from tests.laws.rating_events import arrow, batch, event, new_lane, raw, records, rows_of, sent, step

HEADING = Batch(
    source_topic="usage.events", source_partition=1, lanes=4, first_offset=0, next_offset=9, log_time_us=70,
    policy_offset=3, tick=False,
)  # fmt: skip
PARTITIONS = BY_NAME["internal.deltas"].partitions


def sums(rows: int) -> pa.RecordBatch:
    """Sums of users of one org, in names that do not compress."""
    dice = np.random.default_rng(7)
    made = [
        {"org": "acme", "entity_type": "user", "entity_id": dice.bytes(100).hex(), "bucket_us": 10_000_000 * number}
        for number in range(rows)
    ]
    return pa.RecordBatch.from_pylist(made, schema=DELTA_SCHEMA)


def test_sums_are_cut_into_messages_that_their_topic_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that is too large would end each process that sends it; the rows and their order stay."""
    rows = sums(3_000)
    monkeypatch.setattr(messages, "MOST_DELTA_BYTES", rows.nbytes // 4)
    outputs = sum_messages(HEADING, rows)
    read = [from_arrow_bytes(output.value) for output in outputs]
    pieces = [piece for piece in read if piece.num_rows]
    assert 4 <= len(pieces) <= 5
    assert pa.Table.from_batches(pieces).combine_chunks() == pa.Table.from_batches([rows])
    assert max(len(output.value) for output in outputs) <= rows.nbytes // 4 + 2_000
    for partition in range(PARTITIONS):
        headers = [batch_from_headers(output.headers) for output in outputs if output.partition == partition]
        assert [header.clock for header in headers] == [False] * (len(headers) - 1) + [True]
        assert [header.piece for header in headers] == list(range(len(headers)))
        assert {header.log_time_us for header in headers} == {70}


def test_an_opening_stays_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """It opens the budgets whose sums it holds, so none of them may come later."""
    monkeypatch.setattr(messages, "MOST_DELTA_BYTES", 100)
    assert len(sum_messages(HEADING._replace(clock=False, opened=3), sums(10))) == PARTITIONS
    assert len(sum_messages(HEADING._replace(clock=False), sums(10))) > PARTITIONS


def test_rows_are_the_same_with_and_without_dictionaries() -> None:
    """Many rows are sent as dictionaries, few as text; what is read has the schema and the values either way."""
    told = [
        raw(event(f"e-{at}", user=f"user-{at % 7}", session=f"s-{at}", run=None if at % 3 else f"run-{at}", tags={}))
        for at in range(260)
    ]
    told[259] = told[7]
    lane, few = new_lane(), new_lane()
    together = step(lane, told)
    apart = [few.step(batch(records(told)[first : first + 26])) for first in range(0, len(told), 26)]
    sent_coded = pa.ipc.open_stream(sent(together, "internal.rated")[0].value).schema
    assert pa.types.is_dictionary(sent_coded.field("user").type)
    assert pa.types.is_string(sent_coded.field("session").type)
    assert arrow(together, "internal.rated")[0].schema == RATED_SCHEMA
    assert rows_of(together) == [
        {**row, "received_at": whole["received_at"]}
        for row, whole in zip((row for one in apart for row in rows_of(one)), rows_of(together), strict=True)
    ]


@pytest.mark.parametrize("cut", [5, 20, 60])
def test_a_broken_frame_is_no_arrow(cut: int) -> None:
    """Messages of few rows are lz4 frames; one that ends early is refused as any bytes are that are none of ours."""
    raw_bytes = sent(step(new_lane(), [raw(event())]), "internal.rated")[0].value
    assert from_arrow_bytes(raw_bytes).num_rows == 1
    with pytest.raises(pa.ArrowInvalid):
        from_arrow_bytes(raw_bytes[:cut])


def test_rows_too_many_for_a_message_are_cut_without_their_dictionaries() -> None:
    """Pieces are of 8 MiB at most, however long the values are that their rows share."""
    long = pa.array([f"{at}" + "x" * 1000 for at in range(9_000)], pa.string())
    codes = pa.array(np.arange(18_000, dtype=np.int32) % 9_000)
    every = pa.RecordBatch.from_arrays([pa.DictionaryArray.from_arrays(codes, long)], ["a"])
    pieces = list(pieces_of(every))
    assert max(piece.nbytes for piece in pieces) <= MAX_PIECE_BYTES
    assert pa.Table.from_batches(pieces)["a"].to_pylist() == every["a"].to_pylist()
