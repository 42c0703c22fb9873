"""From rated messages to rows of the store."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from schemas.errors import CorruptStateError
from schemas.internal import RATED_SCHEMA, BatchHeaders, to_arrow_bytes
from sinks.groups import LeftOut, RatedMessage
from sinks.revisions import Claim
from sinks.rows import claims, days_of, decoded, identities, repeats, split_by_month, store_rows
from tests.sink_world import DAY, rated_row, rated_rows

HEADER = BatchHeaders(
    source_topic="usage.events", source_partition=0, lanes=1, first_offset=0, next_offset=0, log_time_us=0,
    policy_offset=-1, tick=False,
)  # fmt: skip


def message(offset: int, rows: pa.RecordBatch, *, partition: int = 0) -> RatedMessage:
    """A rated message at this place."""
    return RatedMessage(partition, offset, HEADER, rows)


def batch(*rows: dict[str, Any]) -> pa.RecordBatch:
    """The rows as rating sends them."""
    return pa.RecordBatch.from_pylist(list(rows), schema=RATED_SCHEMA)


def test_each_row_has_its_place_and_group() -> None:
    """Partition, offset and index name the row's place; the group is the one it came with."""
    rows = store_rows(
        [message(5, rated_rows(range(2))), message(9, rated_rows(range(2, 3)), partition=1)], group_id="g"
    )
    places = rows.select(["src_partition", "src_offset", "src_index", "group_id"]).to_pylist()
    assert [tuple(place.values()) for place in places] == [(0, 5, 0, "g"), (0, 5, 1, "g"), (1, 9, 0, "g")]


def test_missing_strings_and_maps_are_empty_and_numbers_stay_null() -> None:
    """No text and no map is null in the rows; a number that nobody said is."""
    rows = store_rows([message(0, batch(rated_row(1, ts=DAY, input_tokens=None)))], group_id="g")
    assert rows["business_unit"].to_pylist() == [""]
    assert rows["tags"].to_pylist() == [[]]
    assert rows["input_tokens"].to_pylist() == [None]
    texts = [field.name for field in rows.schema if pa.types.is_string(field.type) or pa.types.is_map(field.type)]
    assert [name for name in texts if rows[name].null_count] == []


def test_a_message_without_rows_gives_none() -> None:
    """An empty batch is no row and no part."""
    rows = store_rows([message(0, rated_rows([]))], group_id="g")
    assert (rows.num_rows, split_by_month(rows), days_of(rows), repeats(rows)) == (0, [], frozenset(), False)


def test_rows_that_are_left_out_are_not_there() -> None:
    """The others keep their places."""
    messages = [message(3, rated_rows(range(3))), message(4, rated_rows(range(3, 5)))]
    rows = store_rows(messages, group_id="g", left_out=[LeftOut(partition=0, offset=3, indexes=(0, 2))])
    assert list(zip(rows["src_offset"].to_pylist(), rows["src_index"].to_pylist(), strict=True)) == [
        (3, 1),
        (4, 0),
        (4, 1),
    ]


@pytest.mark.parametrize(("months", "parts"), [(1, 1), (50, 1), (51, 2), (200, 4), (201, 5)])
def test_a_part_touches_at_most_fifty_months(months: int, parts: int) -> None:
    """Parts are cut by month, earlier months first, and are one chunk each."""
    start = datetime(2001, 1, 15, tzinfo=UTC)
    times = [start.replace(year=2001 + month // 12, month=month % 12 + 1) for month in range(months)]
    rows = store_rows([message(0, batch(*(rated_row(i, ts=at) for i, at in enumerate(reversed(times)))))], group_id="g")
    found = split_by_month(rows)
    assert len(found) == parts
    assert sum(part.num_rows for part in found) == months
    assert all(part["ts"].num_chunks == 1 for part in found)
    firsts = [min(part["ts"].to_pylist()) for part in found]
    assert firsts == sorted(firsts)


def test_days_are_those_of_utc() -> None:
    """Midnight belongs to the day that begins."""
    late, early = rated_row(1, ts=DAY - timedelta(microseconds=1)), rated_row(2, ts=DAY)
    rows = store_rows([message(0, batch(late, early))], group_id="g")
    assert days_of(rows) == {date(2026, 11, 21), date(2026, 11, 22)}


def test_the_same_event_is_the_same_source_id_and_hour() -> None:
    """Of a copy, and of a revision, but the same id in another hour is another event."""
    first, later = rated_row(1, ts=DAY), rated_row(1, ts=DAY + timedelta(hours=1))
    assert not repeats(store_rows([message(0, batch(first, later, rated_row(2, ts=DAY)))], group_id="g"))
    again = rated_row(1, ts=DAY + timedelta(minutes=59), revision=2)
    rows = store_rows([message(0, batch(first)), message(1, batch(again), partition=1)], group_id="g")
    assert (repeats(rows), identities(rows)) == (True, 1)


def test_a_row_claims_what_rating_said_of_it() -> None:
    """Its place, who it is, and whether it was summed; a void row never was."""
    rows = [rated_row(1, ts=DAY), rated_row(2, ts=DAY, corrects=True), rated_row(3, ts=DAY, void=True, revision=4)]
    hour = int(DAY.timestamp()) // 3600
    assert list(claims(store_rows([message(7, batch(*rows), partition=2)], group_id="g"))) == [
        Claim((2, 7, 0), (hour, "gw/1", "call-1"), 1, summed=True, void=False),
        Claim((2, 7, 1), (hour, "gw/1", "call-2"), 1, summed=False, void=False),
        Claim((2, 7, 2), (hour, "gw/1", "call-3"), 4, summed=False, void=True),
    ]


def test_bytes_that_rating_cannot_have_written_are_corrupt() -> None:
    """The error names the place."""
    with pytest.raises(CorruptStateError, match=r"internal.rated/0@7"):
        decoded(b"nonsense", place="internal.rated/0@7")
    other = pa.RecordBatch.from_pylist([{"a": 1}])
    with pytest.raises(CorruptStateError, match=r"other columns"):
        decoded(to_arrow_bytes(other), place="internal.rated/0@7")
