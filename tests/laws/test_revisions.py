"""What burn is told of copies, revisions and voids adds up to what the ledger holds, however events come."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from hypothesis import example, given
from hypothesis import strategies as st

from sinks.revisions import LATE_DUPLICATE, REVISION, Claim, Held, Identity, Resolution, resolve

Sent = tuple[int, int, bool, bool]  # event, revision, void, whether rating summed it
ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.booleans(), st.booleans()), max_size=14)
CUTS = st.integers(0, 10**6)


def claim(number: int, sent: Sent) -> Claim:
    """A row, the `number`-th of all."""
    event, revision, void, summed = sent
    return Claim((0, number, 0), (7, "s", f"e{event}"), revision, summed=summed and not void, void=void)


@dataclass
class Ledger:
    """What is stored, and what burn has summed: directly and by signed rows."""

    rows: dict[Identity, Claim] = field(default_factory=dict)
    undone: set[Identity] = field(default_factory=set)
    burn: Counter[Claim] = field(default_factory=Counter)

    def store(self, group: Sequence[Claim]) -> Resolution:
        """The rows of a group."""
        held = {
            identity: Held(row.revision, counts=not row.void and identity not in self.undone)
            for identity, row in self.rows.items()
        }
        found, by_place = resolve(group, held), {row.place: row for row in group}
        self.burn.update(row for row in group if row.summed)
        self.burn.subtract(by_place[place] for place in found.taken_back)
        self.burn.update(by_place[place] for place in found.added)
        self.burn.subtract(self.rows[identity] for identity in found.replaced)
        new = {row.identity: row for row in group if row.place not in found.left_out}
        assert len(new) + len(found.left_out) == len(group)
        self.rows |= new
        self.undone -= new.keys()
        return found

    def undo(self, identity: Identity) -> None:
        """The row of an event counts no more, though it stays."""
        if identity in self.rows and identity not in self.undone and not self.rows[identity].void:
            self.burn.subtract([self.rows[identity]])
            self.undone.add(identity)

    def counts(self) -> Counter[Claim]:
        """Every row that counts."""
        return Counter(row for at, row in self.rows.items() if not row.void and at not in self.undone)


def cut(rows: Sequence[Claim], seed: int) -> list[list[Claim]]:
    """The rows in groups."""
    dice = Random(seed)  # noqa: S311  a repeatable cut, no secret
    groups: list[list[Claim]] = [[]]
    for row in rows:
        if dice.random() < 0.4:
            groups.append([])
        groups[-1].append(row)
    return groups


@given(ROWS, CUTS, st.integers(0, 5))
@example([(0, 1, False, True), (0, 3, False, False), (0, 2, False, True)], 0, 5)
@example([(0, 2, True, False), (0, 1, False, True)], 1, 5)
def test_burn_has_what_the_ledger_has_after_any_rows_in_any_groups(rows: list[Sent], seed: int, undone: int) -> None:
    """Whichever rows rating summed, however they are cut, and whatever is undone in between."""
    ledger = Ledger()
    for number, group in enumerate(cut([claim(at, sent) for at, sent in enumerate(rows)], seed)):
        ledger.store(group)
        if number == undone:
            ledger.undo((7, "s", "e0"))
        assert {row: count for row, count in ledger.burn.items() if count} == ledger.counts()


@given(ROWS, CUTS)
def test_the_highest_revision_survives_and_of_equals_the_first(rows: list[Sent], seed: int) -> None:
    """In any groups the ledger ends with the same rows."""
    ledger = Ledger()
    all_rows = [claim(number, sent) for number, sent in enumerate(rows)]
    for group in cut(all_rows, seed):
        ledger.store(group)
    wanted: dict[Identity, Claim] = {}
    for row in all_rows:
        if row.identity not in wanted or row.revision > wanted[row.identity].revision:
            wanted[row.identity] = row
    assert wanted == ledger.rows


def test_reasons_tell_copies_from_revisions() -> None:
    """A copy of what survives is a late duplicate, anything lower is revised."""
    rows = [claim(number, (0, revision, False, True)) for number, revision in enumerate((1, 3, 2, 3))]
    found = resolve(rows, {})
    assert found.taken_back == {(0, 0, 0): REVISION, (0, 2, 0): REVISION, (0, 3, 0): LATE_DUPLICATE}
    assert (found.added, found.replaced, found.unforeseen) == (set(), set(), {(7, "s", "e0")})


def test_what_was_undone_stays_so_until_a_higher_revision() -> None:
    """A copy of an undone event is left out and taken back; a revision counts, and takes nothing back."""
    undone = {(7, "s", "e0"): Held(1, counts=False)}
    copy, revision = claim(0, (0, 1, False, True)), claim(1, (0, 2, False, True))
    assert resolve([copy], undone).taken_back == {(0, 0, 0): LATE_DUPLICATE}
    assert resolve([revision], undone).says_nothing()
