"""A zombie's pages and heads amid those of its successors spoil no recovery: every state that is found is true."""

import random
from functools import cache

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from streams.checkpoints import digest
from streams.ports import Output, SourceBatch, SourceRecord
from tests.laws.test_burn_log import FEW, make_log, policies
from tests.scenarios.burn_log import MemoryReader, new_lane, recovered

SEED, RECORDS = 7, 60


@cache
def log() -> tuple[SourceRecord, ...]:
    """The log that all lives read."""
    return tuple(make_log(SEED, batches=RECORDS))


@cache
def truth() -> tuple[str, ...]:
    """The state after each of its records, of a lane that nobody hurts."""
    lane, found = new_lane(policies()), []
    for record in log():
        lane.step(SourceBatch("internal.deltas", 0, [record]))
        found.append(digest(lane.state))
    return tuple(found)


class Life:
    """A lane that goes on reading, and what it wants to write into the topic of checkpoints."""

    def __init__(self, reader: MemoryReader, position: int) -> None:
        self.lane, start = recovered(policies(), reader, next_offset=position, step_bytes=1)
        self.position = position
        self.unwritten: list[Output] = []
        for record in log()[start:position]:
            self.lane.step(SourceBatch("internal.deltas", 0, [record]))

    def read(self) -> None:
        """One more record is concluded on, if there is one."""
        if self.position < RECORDS:
            record = log()[self.position]
            self.unwritten += self.lane.step(SourceBatch("internal.deltas", 0, [record])).outputs
            self.position += 1

    def checkpoint(self) -> None:
        """A whole round as of now."""
        self.unwritten += self.lane.checkpoint()

    def write(self, reader: MemoryReader, some: int) -> None:
        """Some of what it wants to write is in the topic."""
        reader.keep(self.unwritten[:some])
        del self.unwritten[:some]


def truly_recovered(reader: MemoryReader, *, position: int) -> int:
    """The offset after which the state found is true; checked against a lane that nobody hurt."""
    lane, start = recovered(policies(), reader, next_offset=position)
    assert start <= position
    assert digest(lane.state) == (truth()[start - 1] if start else digest(new_lane(policies()).state))
    return start


@FEW
@given(st.integers(0, 10**6))
def test_zombies_spoil_no_recovery(seed: int) -> None:
    """Lives overlap, write their pages in pieces between each other's, tear some, stop anywhere: what is found is true.

    And a whole round of the newest life is found, whatever older ones write after it.
    """
    dice = random.Random(seed)  # noqa: S311  repeatable lives
    reader = MemoryReader()
    lives = [Life(reader, 0)]
    for _ in range(60):
        life = lives[-1] if dice.random() < 0.6 else dice.choice(lives)
        for _ in range(dice.randrange(4)):
            life.read()
        if dice.random() < 0.3:
            life.checkpoint()
        life.write(reader, dice.randrange(0, 40))
        if reader.records and dice.random() < 0.1:
            torn = dice.randrange(len(reader.records))
            reader.records[torn] = structs.replace(reader.records[torn], value=dice.choice([None, b"", b"torn"]))
        if dice.random() < 0.15:
            truly_recovered(reader, position=dice.randint(0, lives[-1].position))
        if dice.random() < 0.08:
            lives.append(Life(reader, lives[-1].position))
    newest = Life(reader, lives[-1].position)
    newest.checkpoint()
    epoch = epoch_of(newest.unwritten[-1])
    newest.write(reader, len(newest.unwritten))
    older = []
    for zombie in lives:
        zombie.read()
        zombie.checkpoint()
        older.append(epoch_of(zombie.unwritten[-1]))
        zombie.write(reader, len(zombie.unwritten))
    start = truly_recovered(reader, position=RECORDS)
    assert start == newest.position or epoch in older  # a life that had written nothing left no trace of its epoch


def epoch_of(output: Output) -> int:
    """The epoch of the life that wrote a record."""
    return int((output.key or b"").split(b"|")[0])
