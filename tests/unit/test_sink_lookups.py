"""Looking events up in the ledger: no statement is larger than a server takes, whatever the ids are."""

from hypothesis import given
from hypothesis import strategies as st

from sinks.ledger import MOST_ID_BYTES, lookups

IDS = st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=256), max_size=40)


@given(IDS)
def test_every_row_is_looked_up_once(ids: list[str]) -> None:
    """Whatever the ids are, in the order that was asked for."""
    order = list(range(len(ids)))
    assert [row for some in lookups(order, ids) for row in some] == order


def test_long_ids_are_asked_for_in_several_statements() -> None:
    """Ids of the greatest length, of signs that are escaped too: each statement's stay below what servers take."""
    for sign in ("x", "€", "'", "\\"):
        ids = [f"{number:06}" + 250 * sign for number in range(5_000)]
        asked = [[ids[row] for row in some] for some in lookups(range(5_000), ids)]
        assert sum(map(len, asked)) == 5_000
        assert max(sum(len(one.encode()) for one in some) for some in asked) <= MOST_ID_BYTES


def test_short_ids_are_asked_for_together() -> None:
    """A usual group is a few statements, not one for each event."""
    ids = [f"01JD{number:022}" for number in range(4_000)]
    assert [len(some) for some in lookups(range(4_000), ids)] == [2_000, 2_000]
