"""Laws of groups: whatever comes in whatever order and is closed at whatever moments, each message is in one group."""

from itertools import pairwise

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from schemas.internal import RATED_SCHEMA, BatchHeaders
from sinks.groups import (
    Gathered,
    Gatherer,
    Group,
    Limits,
    RatedMessage,
    Span,
    covered,
    group_bytes,
    group_from_bytes,
    group_name,
    part_tokens,
)  # fmt: skip

HEADER = BatchHeaders(
    source_topic="usage.events", source_partition=0, lanes=1, first_offset=0, next_offset=0, log_time_us=0,
    policy_offset=-1, tick=False,
)  # fmt: skip
NO_ROWS = pa.RecordBatch.from_pylist([], schema=RATED_SCHEMA)
LIMITS = Limits(rows=10, nbytes=10**6, wait_us=1000)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("message"), st.integers(0, 3), st.integers(0, 3)),  # partition, markers before it
        st.tuples(st.just("end"), st.integers(0, 3), st.integers(0, 3)),
        st.tuples(st.just("close"), st.just(0), st.just(0)),
    ),
    max_size=60,
)


def run(
    steps: list[tuple[str, int, int]], begin: dict[int, int]
) -> tuple[list[Gathered], set[tuple[int, int]], dict[int, int]]:
    """The groups of these steps, the places of all messages, and the end of each partition."""
    gatherer = Gatherer(begin, LIMITS)
    log_end, sent, groups = dict(begin), set(), []
    for what, partition, gap in steps:
        if what == "close":
            groups.append(gatherer.close())
            continue
        log_end[partition] += gap
        if what == "message":
            gatherer.add(RatedMessage(partition, log_end[partition], HEADER, NO_ROWS), now_us=0)
            sent.add((partition, log_end[partition]))
            log_end[partition] += 1
        else:
            gatherer.reach(partition, log_end[partition])
    groups.append(gatherer.close())
    return groups, sent, {partition: gatherer.position(partition) for partition in begin}


@given(STEPS, st.integers(0, 5))
def test_every_message_is_in_exactly_one_group_and_spans_meet(steps: list[tuple[str, int, int]], first: int) -> None:
    """Spans follow each other without gap or overlap, hold exactly their messages, and end where the reader is."""
    begin = {partition: first * partition for partition in range(4)}
    groups, sent, ends = run(steps, begin)
    placed = [(message.partition, message.offset) for group in groups for message in group.messages]
    assert sorted(placed) == sorted(sent)
    for partition in range(4):
        spans = [span for group in groups for span in group.spans if span.partition == partition]
        assert all(before.next == after.first for before, after in pairwise(spans))
        assert all(span.first < span.next for span in spans)
        if spans:
            assert (spans[0].first, spans[-1].next) == (begin[partition], ends[partition])
    for group in groups:
        inside = {span.partition: span for span in group.spans}
        assert all(inside[m.partition].first <= m.offset < inside[m.partition].next for m in group.messages)
        assert list(group.messages) == sorted(group.messages, key=lambda message: (message.partition, message.offset))


@given(STEPS)
def test_a_recorded_group_is_repeated_from_its_spans_alone(steps: list[tuple[str, int, int]]) -> None:
    """Who reads back a group's spans from the log finds its messages and no others, so recovery repeats it."""
    groups, sent, _ = run(steps, dict.fromkeys(range(4), 0))
    for group in groups:
        reread = {
            (p, o) for p, o in sent for span in group.spans if span.partition == p and span.first <= o < span.next
        }
        assert reread == {(message.partition, message.offset) for message in group.messages}


@given(STEPS)
def test_names_and_tokens_are_never_used_twice(steps: list[tuple[str, int, int]]) -> None:
    """Groups with different spans have different names, even if a life's number and count are the same."""
    groups, _, _ = run(steps, dict.fromkeys(range(4), 0))
    spans = {group.spans for group in groups}
    names = {group_name(epoch=1, number=1, topic_id="t", spans=each) for each in spans}
    assert len(names) == len(spans)
    assert names.isdisjoint({group_name(epoch=1, number=1, topic_id="u", spans=each) for each in spans})


@given(STEPS, st.integers(0, 30))
def test_a_group_is_covered_when_progress_is_behind_all_its_spans(
    steps: list[tuple[str, int, int]], reached: int
) -> None:
    """A group that lacks anything is repeated; one that lacks nothing is not. Its record survives the log."""
    for gathered in run(steps, dict.fromkeys(range(4), 0))[0]:
        group = Group(
            group_id="g", epoch=1, topic_id="t", spans=gathered.spans, rows=0, tokens=part_tokens("g", 2)
        )  # fmt: skip
        assert group_from_bytes(group_bytes(group)) == group
        progress = dict.fromkeys(range(4), reached)
        assert covered(group, progress) == all(span.next <= reached for span in gathered.spans)


def test_a_group_is_due_when_full_or_old() -> None:
    """An empty group is never due; one with a message is when its time is up."""
    gatherer = Gatherer({0: 0}, LIMITS)
    assert not gatherer.due(now_us=10**9)
    gatherer.add(RatedMessage(0, 0, HEADER, NO_ROWS), now_us=5000)
    assert not gatherer.due(now_us=5999)
    assert gatherer.due(now_us=6000)
    assert gatherer.close().spans == (Span(partition=0, first=0, next=1),)
