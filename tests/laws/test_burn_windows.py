"""Rolling windows against a naive recomputation: never below the window, above it by less than one cell, order-free."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.internal import BUCKET_US
from streams.burn import rings
from streams.burn.rings import EDGE_ERROR, WINDOW_RING, Added
from streams.burn.state import new_entities
from streams.burn.table import Table

NOW = 1_795_338_900 * 1_000_000 // BUCKET_US  # a bucket; any
Delta = tuple[int, int, int, int]
DELTAS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 40), st.integers(0, 400), st.integers(0, 26_000)),  # buckets ago
        st.integers(0, 10**9),  # tokens
        st.integers(0, 10**12),  # micro-USD
        st.integers(0, 10**6 - 1),  # pico remainder
    ),
    min_size=1,
    max_size=60,
)


def filled(deltas: list[Delta], *, cuts: list[int]) -> Table[tuple[str, str, str]]:
    """One entity's rings after the deltas, added in pieces cut at `cuts`."""
    table = new_entities()
    slot = table.slot(("acme", "team", "code"))
    edges = sorted({0, len(deltas), *(cut % (len(deltas) + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        part = np.array(deltas[start:end], np.int64).reshape(-1, 4).T
        ones = np.ones(part.shape[1], np.int64)
        rings.add(table.columns, Added(ones * slot, NOW - part[0], ones, part[1], part[2], part[3]))
    return table


def spent_pico(deltas: list[Delta], *, oldest_us: int) -> int:
    """What the deltas of buckets that end after `oldest_us` cost."""
    inside = [delta for delta in deltas if (NOW - delta[0] + 1) * BUCKET_US > oldest_us]
    return sum(micro * 10**6 + pico for _, _, micro, pico in inside)


@given(DELTAS, st.lists(st.integers(0, 60), max_size=4), st.integers(0, BUCKET_US - 1))
def test_window_holds_its_deltas_and_at_most_one_cell_more(deltas: list[Delta], cuts: list[int], into: int) -> None:
    """
    Each window's cost lies between that of the window and that of the window with the edge error before it.

        ...|cell|cell|cell|cell|      cells, whole
               [---window----)at      the oldest cell may reach back further than the window
    """
    table = filled(deltas, cuts=cuts)
    at_us = NOW * BUCKET_US + into
    for window_sec in WINDOW_RING:
        found = rings.sums(table.columns, np.array([0]), window_sec=window_sec, at_us=at_us)
        start_us = at_us - window_sec * 1_000_000
        actual = int(found.micro[0]) * 10**6 + int(found.pico[0])
        assert bool(found.covered[0])
        assert 0 <= int(found.pico[0]) < 10**6
        assert spent_pico(deltas, oldest_us=start_us) <= actual
        assert actual <= spent_pico(deltas, oldest_us=start_us - EDGE_ERROR[window_sec] * 1_000_000)


@pytest.mark.parametrize("window_sec", sorted(WINDOW_RING))
@given(data=st.data())
def test_aligned_window_is_exact(window_sec: int, data: st.DataObject) -> None:
    """Where a window begins on a cell's edge, it holds its deltas and nothing else."""
    deltas = data.draw(DELTAS)
    table = filled(deltas, cuts=[])
    cell_us = WINDOW_RING[window_sec].cell_us
    at_us = (NOW * BUCKET_US) // cell_us * cell_us
    found = rings.sums(table.columns, np.array([0]), window_sec=window_sec, at_us=at_us)
    end, start = at_us // BUCKET_US + cell_us // BUCKET_US, (at_us - window_sec * 1_000_000) // BUCKET_US
    inside = [delta for delta in deltas if start <= NOW - delta[0] < end]
    expected = (sum(d[1] for d in inside), sum(d[2] * 10**6 + d[3] for d in inside), len(inside))
    actual = (int(found.tokens[0]), int(found.micro[0]) * 10**6 + int(found.pico[0]), int(found.requests[0]))
    if bool(found.covered[0]):
        assert expected == actual


@given(DELTAS, st.randoms(use_true_random=False), st.lists(st.integers(0, 60), max_size=6))
def test_order_and_batches_of_deltas_do_not_matter(deltas: list[Delta], random: object, cuts: list[int]) -> None:
    """Late or early, one by one or at once: every window and the history are the same."""
    shuffled = list(deltas)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis hands a Random
    one, other = filled(deltas, cuts=[]), filled(shuffled, cuts=cuts)
    for window_sec in WINDOW_RING:
        sums = [
            rings.sums(table.columns, np.array([0]), window_sec=window_sec, at_us=(NOW + 1) * BUCKET_US - 1)
            for table in (one, other)
        ]
        assert [int(sums[0].micro[0]), int(sums[0].pico[0])] == [int(sums[1].micro[0]), int(sums[1].pico[0])]


def test_row_takes_at_most_four_kilobytes() -> None:
    """An active entity costs at most 4 KB, keys aside."""
    assert sum(column.bytes_per_row() for column in new_entities().spec.values()) <= 4096


def test_edge_error_is_small_beside_its_window() -> None:
    """No window may be too high by more than an eighth of its time."""
    assert max(Fraction(error, window) for window, error in EDGE_ERROR.items()) <= Fraction(1, 8)


def test_window_that_the_ring_has_lost_is_not_covered() -> None:
    """Five minutes at a floor two minutes behind the newest row are covered no more; half a minute behind, they are."""
    table = filled([(0, 1, 1, 0)], cuts=[])
    for behind_sec, covered in ((40, True), (120, False)):
        found = rings.sums(table.columns, np.array([0]), window_sec=300, at_us=NOW * BUCKET_US - behind_sec * 1_000_000)
        assert covered == bool(found.covered[0])
