"""Hours in which the sink looks up every row: those of events astray, and of revisions without a first one."""

from datetime import timedelta

import pyarrow as pa

from sinks.revisions import resolve
from sinks.rows import claims
from sinks.watched_hours import WatchedHours
from tests.sink_world import DAY, rated_row


def rows(**changes: object) -> pa.Table:
    """An event in each of three hours, with a place; the second one is changed."""
    made = [rated_row(number, ts=DAY + timedelta(hours=number)) for number in range(3)]
    made[1] |= changes
    place = {"src_partition": 0, "src_offset": 0}
    return pa.Table.from_pylist([row | place | {"src_index": at} for at, row in enumerate(made)])


def watched_after(table: pa.Table) -> list[bool]:
    """Which hours are watched after these rows, with an empty ledger."""
    watched = WatchedHours()
    watched.add(table, resolve(claims(table), {}).unforeseen)
    again: list[bool] = watched.of(rows()).tolist()
    return again


def test_ordinary_rows_are_not_watched() -> None:
    """Where producers follow the rule, nothing is looked up."""
    assert watched_after(rows()) == [False] * 3
    assert watched_after(rows(maybe_duplicate=True)) == [False] * 3


def test_hours_of_strays_and_of_first_seen_revisions_are_watched() -> None:
    """Only their own hours: a copy has the time of its first."""
    for odd in ({"astray": True}, {"revision": 2}, {"revision": 2, "void": True, "corrects": True}):
        assert watched_after(rows(**odd)) == [False, True, False]
