"""What holds for the scores of every series, whatever its values, gaps and order."""

import math

from hypothesis import given
from hypothesis import strategies as st

from streams.anomalies.series import SeriesDetector

values = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, 1.0, -1.0, 5.0]),
    st.floats(-100, 100),
)
series = st.lists(st.tuples(st.floats(-1e6, 4e9), values), max_size=60).flatmap(
    lambda rows: st.integers(1, 8).map(lambda times: rows * times)
)


def scores(rows: list[tuple[float, float]]) -> list[float]:
    """The score of each row, in order."""
    detector = SeriesDetector()
    return [detector.score(at, value) for at, value in rows]


@given(series, st.data())
def test_a_prefix_has_the_same_scores(rows: list[tuple[float, float]], data: st.DataObject) -> None:
    """What comes later changes no score."""
    cut = data.draw(st.integers(0, len(rows)))
    assert scores(rows)[:cut] == scores(rows[:cut])


@given(series)
def test_each_score_lies_between_0_and_1(rows: list[tuple[float, float]]) -> None:
    """Whatever comes, in whatever order: a number from 0 to below 1, and 0 where the value is missing."""
    for (_, value), score in zip(rows, scores(rows), strict=True):
        assert 0 <= score < 1
        assert math.isfinite(value) or score == 0


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=80), st.sampled_from([2.0**-20, 0.25, 2.0**30]))
def test_the_unit_of_a_series_does_not_matter(amounts: list[int], factor: float) -> None:
    """Cents and dollars have the same scores (powers of two: no digit is lost)."""
    rows = [(at * 300.0, float(amount)) for at, amount in enumerate(amounts * 3)]
    assert scores([(at, value * factor) for at, value in rows]) == scores(rows)
