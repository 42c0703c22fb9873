"""Signed rows: what a group leaves out or replaces is taken back, as it was rated."""

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
from sinks.adjustments import Adjustment, pieces, signed_rows
from sinks.groups import RatedMessage
from sinks.revisions import LATE_DUPLICATE, Resolution
from tests.sink_world import DAY, rated_row, rated_rows


def message(offset: int, rows: pa.RecordBatch, *, source: int) -> RatedMessage:
    """A rated message of a partition of usage.events."""
    header = BatchHeaders(
        source_topic="usage.events", source_partition=source, lanes=4, first_offset=0, next_offset=0, log_time_us=0,
        policy_offset=2, tick=False,
    )  # fmt: skip
    return RatedMessage(source, offset, header, rows)


NOTHING = pa.RecordBatch.from_pylist([], schema=RATED_SCHEMA)


def read(adjustment: Adjustment) -> tuple[AdjustmentHeaders, list[dict[str, Any]]]:
    """What rating reads."""
    [(name, raw)] = adjustment.kafka_headers()
    rows = from_arrow_bytes(adjustment.value)
    assert (name, rows.schema) == (ADJUSTMENT_HEADER, ADJUSTMENT_SCHEMA)
    return msgspec.json.decode(raw, type=AdjustmentHeaders), rows.to_pylist()


def test_each_row_taken_back_is_one_signed_row_as_it_was_rated() -> None:
    """Missing values stay missing, policy offset and price are the copy's; the partition is that of its event."""
    rows = [rated_row(number, ts=DAY, policy_offset=number, cost_usd=None) for number in range(4)]
    some = pa.RecordBatch.from_pylist(rows, schema=RATED_SCHEMA)
    messages = [message(7, some, source=2), message(9, some, source=2), message(1, some, source=3)]
    places = [(3, 1, 0), (2, 9, 3), (2, 7, 2), (2, 7, 1)]
    resolution = Resolution(left_out=set(places), taken_back=dict.fromkeys(places, LATE_DUPLICATE))
    found = signed_rows("1.1-x", messages, resolution, NOTHING, opened=5)
    assert [adjustment.partition for adjustment in found] == [2, 3]
    header, signed = read(found[0])
    assert header == AdjustmentHeaders(kind="rows", opened=5, group_id="1.1-x", rows=3)
    wanted = [some.slice(number, 1).to_pylist()[0] for number in (1, 2, 3)]
    assert signed == [row | {"sign": -1, "reason": "late_duplicate"} for row in wanted]
    assert read(found[1])[0].rows == 1


def test_a_replaced_row_goes_as_it_was_stored_and_the_new_one_comes() -> None:
    """Both to the partitions that they came from."""
    new = pa.RecordBatch.from_pylist([rated_row(5, ts=DAY, revision=2, event_partition=3)], schema=RATED_SCHEMA)
    old = pa.RecordBatch.from_pylist([rated_row(5, ts=DAY, event_partition=1)], schema=RATED_SCHEMA)
    resolution = Resolution(added={(3, 8, 0)}, replaced={(0, "gw/1", "call-5")})
    found = signed_rows("1.1-x", [message(8, new, source=3)], resolution, old, opened=5)
    assert [(one.partition, read(one)[1]) for one in found] == [
        (1, [old.to_pylist()[0] | {"sign": -1, "reason": "revision"}]),
        (3, [new.to_pylist()[0] | {"sign": 1, "reason": "revision"}]),
    ]


def test_a_group_that_changes_nothing_else_says_nothing() -> None:
    """A group without copies and revisions has no adjustments."""
    messages = [message(1, rated_rows(range(3)), source=0)]
    assert signed_rows("1.1-x", messages, Resolution(), NOTHING, opened=-1) == []


@pytest.mark.parametrize("place", [(0, 2, 0), (0, 1, 3)])
def test_a_row_that_is_not_there_is_corrupt(place: tuple[int, int, int]) -> None:
    """What is taken back must have been read."""
    resolution = Resolution(taken_back={place: LATE_DUPLICATE})
    with pytest.raises(CorruptStateError, match="takes back rows of 0@"):
        signed_rows("1.1-x", [message(1, rated_rows(range(3)), source=0)], resolution, NOTHING, opened=-1)


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
