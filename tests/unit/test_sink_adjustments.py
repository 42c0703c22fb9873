"""Signed rows: what a group leaves out is taken back, as it was rated."""

from datetime import timedelta
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from schemas.errors import CorruptStateError
from schemas.internal import (
    ADJUSTMENT_HEADER,
    ADJUSTMENT_SCHEMA,
    RATED_SCHEMA,
    AdjustmentHeaders,
    BatchHeaders,
    from_arrow_bytes,
)
from sinks.adjustments import Adjustment, late_copies, pieces
from sinks.groups import Group, LeftOut, RatedMessage, left_out_of
from tests.sink_world import DAY, rated_row, rated_rows


def message(offset: int, rows: pa.RecordBatch, *, source: int) -> RatedMessage:
    """A rated message of a partition of usage.events."""
    header = BatchHeaders(
        source_topic="usage.events", source_partition=source, lanes=4, first_offset=0, next_offset=0, log_time_us=0,
        policy_offset=2, tick=False,
    )  # fmt: skip
    return RatedMessage(source, offset, header, rows)


def group(*left_out: LeftOut) -> Group:
    """A group that leaves these out."""
    return Group(group_id="1.1-x", epoch=1, topic_id="t", spans=(), rows=9, tokens=(), left_out=left_out)


def read(adjustment: Adjustment) -> tuple[AdjustmentHeaders, list[dict[str, Any]]]:
    """What rating reads."""
    [(name, raw)] = adjustment.kafka_headers()
    rows = from_arrow_bytes(adjustment.value)
    assert (name, rows.schema) == (ADJUSTMENT_HEADER, ADJUSTMENT_SCHEMA)
    return msgspec.json.decode(raw, type=AdjustmentHeaders), rows.to_pylist()


def test_each_left_out_row_is_one_signed_row_as_it_was_rated() -> None:
    """Missing values stay missing, policy offset and price are the copy's; the partition is that of its event."""
    rows = [rated_row(number, ts=DAY, policy_offset=number, cost_usd=None) for number in range(4)]
    some = pa.RecordBatch.from_pylist(rows, schema=RATED_SCHEMA)
    messages = [message(7, some, source=2), message(9, some, source=2), message(1, some, source=3)]
    places = [(3, 1, 0), (2, 9, 3), (2, 7, 2), (2, 7, 1)]
    found = late_copies(group(*left_out_of(places)), messages, opened=5)
    assert [adjustment.partition for adjustment in found] == [2, 3]
    header, signed = read(found[0])
    assert header == AdjustmentHeaders(kind="rows", opened=5, group_id="1.1-x", rows=3)
    wanted = [some.slice(number, 1).to_pylist()[0] for number in (1, 2, 3)]
    assert signed == [row | {"sign": -1, "reason": "late_duplicate"} for row in wanted]
    assert read(found[1])[0].rows == 1


def test_nothing_left_out_says_nothing() -> None:
    """A group without copies has no adjustments."""
    assert late_copies(group(), [message(1, rated_rows(range(3)), source=0)], opened=-1) == []


@pytest.mark.parametrize("place", [(0, 2, 0), (0, 1, 3)])
def test_a_row_that_is_not_there_is_corrupt(place: tuple[int, int, int]) -> None:
    """What is left out must have been read."""
    with pytest.raises(CorruptStateError, match="leaves out rows of 0@"):
        late_copies(group(*left_out_of([place])), [message(1, rated_rows(range(3)), source=0)], opened=-1)


def test_pieces_are_small_and_lose_nothing() -> None:
    """Batches stay below the size, keep the order, and keep alike rows together where they fit."""
    rows = rated_rows(range(100), step=timedelta(0))
    each = -(-rows.nbytes // 100)
    found = pieces(rows, most_bytes=each * 9)
    assert (len(found), pa.Table.from_batches(found).to_pylist()) == (12, rows.to_pylist())
    models = rows.sort_by([("model", "ascending")])
    whole = pieces(models, together=("model",), most_bytes=each * 40)
    assert [len(set(piece.column("model").to_pylist())) for piece in whole] == [1, 1, 1]
    assert pa.Table.from_batches(whole).to_pylist() == models.to_pylist()
    assert len(pieces(models, together=("model",), most_bytes=each * 9)) > 12
    assert pieces(rows.slice(0, 0)) == [rows.slice(0, 0)]
