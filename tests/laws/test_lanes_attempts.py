"""The record that kills is found, and no other is left out: laws over processes that die."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.attempts import MOST_DEATHS, Attempts, Deaths
from streams.ports import SourceRecord


@dataclass
class World:
    """A log, what a stage has said of it, and which records kill whoever steps them."""

    records: Sequence[SourceRecord]
    killers: frozenset[int]
    position: int = 0
    deaths: Deaths = field(default_factory=Deaths)
    stepped: list[int] = field(default_factory=list)
    aside: list[int] = field(default_factory=list)
    died_alone: dict[int, int] = field(default_factory=dict)
    accidents: frozenset[int] = frozenset()  # which steps, counted over all lives, die of something else
    steps: int = 0
    starts: int = 0
    marks: int = 0

    def live(self, fetches: Sequence[int], *, narrows: bool = True) -> bool:
        """One process, as a lane uses its attempts; whether it came to the end of the log."""
        self.starts += 1
        attempts = Attempts(self.deaths, narrows=narrows)
        for size in [*fetches, len(self.records)]:
            batch = [record for record in self.records if record.offset >= self.position][:size]
            while batch:
                attempt = attempts.next(batch)
                piece = batch if attempt is None else batch[: attempt.records]
                batch = batch[len(piece) :]
                if attempt is not None:
                    self.deaths, self.marks = attempt.deaths, self.marks + 1
                if attempt is not None and attempt.aside:
                    self.aside.append(piece[0].offset)
                elif self._dies(piece):
                    if len(piece) == 1:
                        self.died_alone[piece[0].offset] = self.died_alone.get(piece[0].offset, 0) + 1
                    return False
                else:
                    self.stepped += [record.offset for record in piece]
                self.position = piece[-1].offset + 1
                self.deaths = Deaths() if attempt is None else attempts.left(self.position)
        return True

    def _dies(self, piece: Sequence[SourceRecord]) -> bool:
        self.steps += 1
        return self.steps in self.accidents or not self.killers.isdisjoint(record.offset for record in piece)


def _world(count: int, gaps: Sequence[int], killers: Sequence[int]) -> World:
    offset, records = 0, []
    for number in range(count):
        records.append(SourceRecord(offset, 0, None, b"", ()))
        offset += 1 + gaps[number % len(gaps)]
    return World(records, frozenset(records[at % count].offset for at in killers) if count else frozenset())


@settings(deadline=None)
@given(
    st.integers(0, 2000),
    st.lists(st.integers(0, 2), min_size=1, max_size=5),
    st.lists(st.integers(0, 10_000), max_size=3),
    st.lists(st.lists(st.integers(1, 700), max_size=4), min_size=1, max_size=6),
)
def test_exactly_the_records_that_kill_are_set_aside(
    count: int, gaps: list[int], killers: list[int], fetches: list[list[int]]
) -> None:
    """However the log is fetched in each life: killers aside after deaths alone, all others once and in order."""
    world = _world(count, gaps, killers)
    # Each life counts a death or moves on; where fetches are no smaller than the log, it never just moves on.
    most = 1 + len(world.killers) * (2 * MOST_DEATHS + 5) + (count if any(fetches) else 0)
    while not world.live(fetches[world.starts % len(fetches)]):
        assert world.starts <= most
    assert world.aside == sorted(world.killers)
    assert all(world.died_alone[killer] >= MOST_DEATHS for killer in world.killers)
    assert world.stepped == [record.offset for record in world.records if record.offset not in world.killers]


@given(st.integers(1, 300), st.sets(st.integers(1, 40)), st.integers(1, 100))
def test_accidents_set_nothing_aside_that_did_not_die_alone_three_times(
    count: int, accidents: set[int], size: int
) -> None:
    """Processes that are killed at any step, for no fault of a record: all are stepped, or died alone often enough."""
    world = _world(count, [0], [])
    world.accidents = frozenset(accidents)
    while not world.live([size] * 99):
        assert world.starts <= 1 + len(accidents)
    assert sorted([*world.stepped, *world.aside]) == list(range(count))
    assert all(world.died_alone[offset] >= MOST_DEATHS for offset in world.aside)


def test_a_lane_that_was_never_killed_is_marked_once() -> None:
    """The first batch after a start, and no other."""
    world = _world(1000, [0], [])
    assert world.live([10] * 99)
    assert (world.marks, world.stepped) == (1, list(range(1000)))


def test_where_no_record_may_be_left_out_deaths_are_only_counted() -> None:
    """The same batch again and again, and progress says how often."""
    world = _world(10, [0], [4])
    for life in range(1, 9):
        assert not world.live([], narrows=False)
        assert (world.deaths, world.aside) == (Deaths(life, 10), [])


def test_two_deaths_cost_nothing_but_a_start() -> None:
    """One below the limit the whole batch is tried again; at the limit it is taken in pieces."""
    records = _world(64, [0], []).records
    for died, taken in ((MOST_DEATHS - 1, 64), (MOST_DEATHS, 2)):
        attempt = Attempts(Deaths(died, 64), narrows=True).next(records)
        assert attempt is not None
        assert attempt.records == taken
