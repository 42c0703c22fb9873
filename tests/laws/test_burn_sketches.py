"""Sketches of distinct users: order-free, idempotent, exact below 16, right on average above."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.burn import shared_credential
from streams.burn.shared_credential import Credentials, K

NOON_PART = 5_984_463
AT_US = (NOON_PART + 1) * 300_000_000 - 1
SEEN = st.lists(st.tuples(st.integers(0, 11), st.integers(1, 2**64 - 2)), min_size=1, max_size=80)


def sketch(seen: list[tuple[int, int]], *, pieces: int = 1) -> Credentials:
    """One credential's sketches after (parts ago, hash), merged in so many pieces."""
    table = shared_credential.new_table()
    slot = table.slot(("acme", "key"))
    size = -(-len(seen) // pieces)
    for start in range(0, len(seen), size):
        part = np.array([NOON_PART - ago for ago, _ in seen[start : start + size]], np.int64)
        slots = np.full(len(part), slot, np.int64)
        shared_credential.advance(table, slots, part)
        hashes = np.array([number for _, number in seen[start : start + size]], np.uint64)
        shared_credential.merge(table, "users", slots, part, hashes)
    return table


def users(table: Credentials) -> int:
    """How many users within the hour."""
    return int(shared_credential.distinct(table, np.array([0]), at_us=AT_US).users[0])


@given(SEEN, st.randoms(use_true_random=False), st.integers(1, 5))
def test_order_pieces_and_repetition_do_not_matter(seen: list[tuple[int, int]], random: object, pieces: int) -> None:
    """Any order, any cut, everything twice: the same sketch."""
    mixed = [*seen, *seen]
    random.shuffle(mixed)  # type: ignore[attr-defined]  # hypothesis hands a Random
    one, other = sketch(seen), sketch(mixed, pieces=pieces)
    assert users(one) == users(other)
    newest = one.columns["newest"][0]
    assert newest == other.columns["newest"][0]
    assert one.columns["users"].tolist()[0] == other.columns["users"].tolist()[0]


@given(SEEN)
def test_fewer_than_sixteen_are_counted_exactly(seen: list[tuple[int, int]]) -> None:
    """Below 16 the count is the number of distinct hashes; from 16 on it is never below 16."""
    distinct = len({number for _, number in seen})
    found = users(sketch(seen))
    assert found == distinct if distinct < K else found >= K


def test_many_are_estimated() -> None:
    """Estimates for 1000 users are right within a factor of two, on average within a tenth."""
    dice = np.random.default_rng(1)
    found = [users(sketch([(0, int(n)) for n in dice.integers(1, 2**63, 1000, np.uint64) * 2])) for _ in range(60)]
    assert min(found) > 500
    assert max(found) < 2500
    assert abs(np.mean(found) - 1000) < 100


def test_what_is_older_than_an_hour_is_forgotten() -> None:
    """A user of 65 minutes ago counts no more, one of an hour ago does."""
    for ago, expected in ((12, 1), (13, 0)):
        table = sketch([(ago, 5)])
        shared_credential.advance(table, np.array([0]), np.array([NOON_PART]))
        assert expected == users(table)
