"""The duplicate window is what its laws say, held against a plain list that remembers everything."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.errors import CorruptStateError
from streams.rating.duplicates import NEVER, Known, Verdict, Window
from streams.rating.seen import Seen, enough, rebuilt, seen_from_bytes, seen_to_bytes

One = tuple[int, int, int, int]  # identity, revision, event time, content
events = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 3), st.integers(0, 9), st.integers(0, 2)), max_size=40)
sizes = st.integers(1, 8)


def known(some: Sequence[One]) -> Known:
    """These events, as the window takes them."""
    ids, revisions, times, contents = zip(*some, strict=True) if some else ((), (), (), ())
    return Known(
        [bytes([one]) * 16 for one in ids],
        np.array(revisions, np.uint32),
        np.array(times, np.int64),
        np.array(contents, np.uint64) + np.uint64(1),  # 0 is what nobody knows
    )


def plainly(some: Sequence[One], size: int) -> list[tuple[Verdict, bool]]:
    """The laws of the window, word by word, one event at a time."""
    held: list[One] = []
    gone: list[One] = []
    said: list[tuple[Verdict, bool]] = []
    for one in some:
        identity, revision, time, content = one
        before = next((other for other in reversed(held) if other[0] == identity), None)
        if before is None or (revision > before[1] and time == before[2]):
            mark = any(time <= other[2] for other in gone) or (revision > 1 and bool(gone))
            said.append((Verdict.REVISION if before else Verdict.COUNTED, mark))
            held.append(one)
            if len(held) > size:
                gone.append(held.pop(0))
        elif revision == before[1]:
            said.append((Verdict.COPY if content == before[3] else Verdict.CONFLICT, False))
        else:
            said.append((Verdict.TIME_MOVED if time != before[2] else Verdict.COPY, False))
    return said


def admitted(window: Window, batches: Sequence[Sequence[One]]) -> list[tuple[Verdict, bool]]:
    """What the window says of each event of these batches."""
    said: list[tuple[Verdict, bool]] = []
    for some in batches:
        verdicts, marks = window.admit(known(some))
        said.extend((Verdict(verdict), bool(mark)) for verdict, mark in zip(verdicts, marks, strict=True))
    return said


@settings(max_examples=60)
@example([(0, 1, 1, 0), (1, 1, 1, 0), (2, 1, 1, 0), (3, 1, 1, 0), (0, 1, 1, 0)], 3, [3])
@example([(0, 1, 1, 0), (1, 1, 1, 0), (1, 2, 1, 0), (0, 1, 1, 1), (2, 1, 1, 0), (2, 1, 1, 0)], 8, [2])
@given(events, sizes, st.lists(st.integers(1, 6), max_size=12))
def test_window_follows_its_laws_however_batches_are_cut(some: list[One], size: int, cuts: list[int]) -> None:
    """Verdicts and marks are those of a plain list, in one batch or in many."""
    assert plainly(some, size) == admitted(Window(size), [some])
    ends = [0, *accumulate(cuts), len(some)]
    assert plainly(some, size) == admitted(Window(size), [some[a:b] for a, b in pairwise(ends)])


@settings(max_examples=40)
@given(events, events, sizes, st.integers(0, 40))
def test_rebuilt_window_goes_on_as_the_lost_one_would(before: list[One], after: list[One], size: int, at: int) -> None:
    """From the records that batches left in internal.seen, a new process goes on as if nothing had happened."""
    window, topic = Window(size), []
    for some in (before[:at], before[at:]):
        topic.extend(written(window, known(some)))
    again = rebuilt([seen_from_bytes(record) for record in topic], size=size, max_ahead_us=0)
    assert window.newest_gone_us == again.newest_gone_us
    assert admitted(window, [after]) == admitted(again, [after])


def written(window: Window, some: Known) -> list[bytes]:
    """The record that a batch leaves: of what it admitted, none where it admitted nothing."""
    held_before = len(window)
    verdicts, _ = window.admit(some)
    new = some.take(np.flatnonzero(np.isin(verdicts, (Verdict.COUNTED, Verdict.REVISION))))
    seen = Seen(
        known=new, held_before=held_before, newest_gone_us=window.newest_gone_us, log_time_us=5, policy_offset=-1
    )
    return [seen_to_bytes(seen)] if new.identities else []


@settings(max_examples=60)
@example([(0, 1, 1, 0), (1, 1, 0, 0)], 2, 1, [1, 1])
@given(events, sizes, sizes, st.lists(st.integers(1, 5), min_size=1, max_size=20))
def test_a_window_of_another_size_still_knows_or_marks_every_copy(
    some: list[One], before: int, after: int, cuts: list[int]
) -> None:
    """A restart with another window: what only the old one held counts as let go, so a copy of it is marked."""
    firsts = [(at, 1, one[2], 0) for at, one in enumerate(some)]
    topic: list[Seen] = []
    window, at = Window(before), 0
    for cut in cuts:
        topic.extend(seen_from_bytes(record) for record in written(window, known(firsts[at : at + cut])))
        at += cut
    first = next((n for n in range(len(topic), -1, -1) if enough(topic[n:], size=after) and topic[n:]), 0)
    again = rebuilt(topic[first:], size=after, max_ahead_us=9)
    for copy in firsts[:at]:
        [(verdict, mark)] = admitted(again, [[copy]])
        assert verdict is Verdict.COPY or mark


def test_records_that_retention_took_count_as_let_go() -> None:
    """Where the topic no longer covers the window, events of that time are marked: they may be copies."""
    whole, topic = Window(10), []
    for number in range(6):
        topic.extend(written(whole, known([(number, 1, number, 0)])))
    records = [seen_from_bytes(record) for record in topic[3:]]
    assert not enough(records, size=10)
    again = rebuilt(records, size=10, max_ahead_us=2)
    assert admitted(again, [[(20, 1, 7, 0), (21, 1, 8, 0)]]) == [(Verdict.COUNTED, True), (Verdict.COUNTED, False)]


def test_nothing_is_marked_before_anything_was_let_go() -> None:
    """A window that still holds all it ever saw knows that an event is new, however old it is."""
    window = Window(4)
    assert admitted(window, [[(n, 2, -n, 0) for n in range(4)]]) == [(Verdict.COUNTED, False)] * 4
    assert window.newest_gone_us == NEVER
    assert admitted(window, [[(8, 1, -9, 0), (9, 1, -9, 0)]]) == [(Verdict.COUNTED, False), (Verdict.COUNTED, True)]


@pytest.mark.parametrize("raw", [b"", b"BLS", b"BLS1", b"BLS2", b"XXXX" + bytes(60), b"BLS1" + bytes(60)])
def test_foreign_bytes_in_internal_seen_stop_the_lane(raw: bytes) -> None:
    """What rating did not write is corrupt state, never half a window."""
    with pytest.raises(CorruptStateError):
        seen_from_bytes(raw)


def test_a_seen_record_takes_32_bytes_per_event() -> None:
    """The topic stays small: a header and 32 bytes for each event at its first revision."""
    sizes_in_bytes = [len(written(Window(99), known([(n, 1, 0, 0) for n in range(count)]))[0]) for count in (1, 50)]
    assert sizes_in_bytes[1] - sizes_in_bytes[0] == 49 * 32


def test_whatever_an_older_version_admitted_has_copies_of_any_content() -> None:
    """Its contents were hashed otherwise: the same identity is a copy, another time or a higher revision is none."""
    window = Window(8)
    topic = written(window, known([(1, 2, 5, 0)]))
    older = b"BLS1" + topic[0][4:]
    again = rebuilt([seen_from_bytes(older)], size=8, max_ahead_us=0)
    sent = [(1, 2, 5, 1), (1, 1, 5, 0), (1, 1, 6, 0), (1, 3, 5, 0), (1, 3, 5, 1)]
    found = [verdict for verdict, _ in admitted(again, [[one] for one in sent])]
    assert found == [Verdict.COPY, Verdict.COPY, Verdict.TIME_MOVED, Verdict.REVISION, Verdict.CONFLICT]
