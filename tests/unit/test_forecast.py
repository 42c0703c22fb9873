"""What the forecast says of series that a person understands: flat, weekly, bursty, sparse, with a spike."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.errors import InputError
from streams.forecast import Forecast, History, forecast
from streams.forecast.scoring import Case, cases, linear_estimate, pinball, score
from streams.forecast.shape import ShapeRule, hour_of_week

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
HOURS = 24 * 28
_HOUR = np.arange(HOURS)
FLAT = np.full(HOURS, 10.0)
OFFICE = np.where((_HOUR % 24 >= 8) & (_HOUR % 24 < 18), 10.0, 0.5)
WEEKDAYS = np.where(_HOUR // 24 % 7 < 5, OFFICE, 0.2)


def told(hours: NDArray[np.float64], *, ahead_hours: int, spent: int = 0, limit: int | None = None) -> Forecast:
    """The forecast after these hours for a period that ends so many later."""
    now = MONDAY + timedelta(hours=len(hours))
    found = forecast(
        History(start=MONDAY, bucket_sec=3600, amounts=hours),
        now=now,
        period_end=now + timedelta(hours=ahead_hours),
        spent=Decimal(spent),
        limit=None if limit is None else Decimal(limit),
    )
    assert found is not None
    return found


def band_to_middle(found: Forecast) -> float:
    """How wide the band is by what is still to come in the middle."""
    return float((found.p90 - found.p10) / (found.p50 - found.spent))


def test_steady_spend_goes_on() -> None:
    """Four flat weeks: the next day costs what each day did, within a narrow band."""
    found = told(FLAT, ahead_hours=24)
    assert float(found.p50) == pytest.approx(240, rel=0.02)
    assert band_to_middle(found) < 0.1


def test_the_first_hours_are_wide() -> None:
    """After two flat hours of a month nobody knows; the more is known, the narrower the band."""
    known = [2, 24, 24 * 7, 24 * 21]
    widths = [band_to_middle(told(FLAT[:hours], ahead_hours=24 * 28 - hours)) for hours in known]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 3
    assert widths[-1] < 1


def test_nights_are_no_days() -> None:
    """At six in the evening the night (truth: 6) is cheap; at eight in the morning the day (100) is dear."""
    evening, morning = told(OFFICE[: 24 * 20 + 18], ahead_hours=12), told(OFFICE[: 24 * 21 + 8], ahead_hours=10)
    assert evening.p50 < 10
    assert float(morning.p50) == pytest.approx(100, rel=0.25)


def test_weekends_are_no_weekdays() -> None:
    """After three weeks a Saturday (truth: 5) is forecast far below a Monday (107), which is within its band."""
    saturday, monday = told(WEEKDAYS[: 24 * 26], ahead_hours=24), told(WEEKDAYS, ahead_hours=24)
    assert 3 * saturday.p50 < monday.p50
    assert monday.p10 < 107 < monday.p90 + 1


def test_one_spike_is_no_rate() -> None:
    """A day's worth of a year in one hour, two weeks ago, does not move the middle of the next day by a fifth."""
    spike = FLAT.copy()
    spike[HOURS // 2] = 20_000
    assert float(told(spike, ahead_hours=24).p50) == pytest.approx(240, rel=0.2)


def test_who_mostly_pauses_may_spend_nothing() -> None:
    """A spender of one hour in fifty: P10 is what is spent already, P90 is not."""
    sparse = np.where(_HOUR % 50 == 0, 100.0, 0.0)
    found = told(sparse, ahead_hours=12, spent=7)
    assert found.p10 == Decimal(7)
    assert found.p90 > found.p10


def test_growth_is_followed() -> None:
    """Spend that grows by 3 % a day goes on above the mean of its last week."""
    growing = FLAT * 1.03 ** (_HOUR // 24)
    assert float(told(growing, ahead_hours=24).p50) > growing[-24 * 7 :].sum() / 7


def test_a_limit_is_reached_when_steady_spend_reaches_it() -> None:
    """Ten an hour from 900 to a limit of 1,000: ten hours from now, and surely within two days."""
    found = told(FLAT, ahead_hours=48, spent=900, limit=1000)
    assert found.median is not None
    assert abs(found.median - found.now - timedelta(hours=10)) < timedelta(hours=1)
    assert found.earliest is not None
    assert found.latest is not None
    assert found.earliest <= found.median <= found.latest
    assert found.reaches_limit_ratio == pytest.approx(1)


@pytest.mark.parametrize(("spent", "reached"), [(999, False), (1000, True), (1001, True)])
def test_exactly_the_limit_is_reached(spent: int, *, reached: bool) -> None:
    """At 100 % the dates are now; just below they are not."""
    found = told(FLAT, ahead_hours=1, spent=spent, limit=1000)
    assert ((found.earliest, found.median, found.latest) == (found.now,) * 3) is reached
    assert found.reaches_limit_ratio is not None
    assert (found.reaches_limit_ratio == 1.0) or not reached


def test_dates_and_quantiles_tell_one_story() -> None:
    """A burst each seven hours: though a median on the way is above that of the end, no date is told for it."""
    found = told(np.where(_HOUR % 7 == 0, 100.0, 0.0)[:247], ahead_hours=24, limit=330)
    assert found.p50 < 330
    assert found.median is None


def test_a_limit_of_zero_is_reached_by_any_spend() -> None:
    """Nothing spent of nothing is not reached yet, though it will be soon; a cent is."""
    none, some = told(FLAT, ahead_hours=24, spent=0, limit=0), told(FLAT, ahead_hours=24, spent=1, limit=0)
    assert none.median is not None
    assert none.now < none.median < none.now + timedelta(hours=1)
    assert (some.median, some.reaches_limit_ratio) == (some.now, 1)


def test_a_far_limit_has_no_date() -> None:
    """A limit far beyond P90 is not reached in this period."""
    found = told(FLAT, ahead_hours=24, spent=0, limit=100_000)
    assert (found.earliest, found.median, found.latest) == (None, None, None)
    assert found.reaches_limit_ratio == 0


def test_at_the_end_of_the_period_nothing_is_left_to_come() -> None:
    """At its end a period has spent what it has spent."""
    found = told(FLAT, ahead_hours=0, spent=42, limit=50)
    assert (found.p10, found.p50, found.p90) == (Decimal(42),) * 3
    assert (found.median, found.reaches_limit_ratio) == (None, 0)


def test_refunds_count_as_nothing() -> None:
    """Buckets below zero are no spend and no forecast below what is spent."""
    refunded = FLAT.copy()
    refunded[-1] = -5_000
    found = told(refunded, ahead_hours=24, spent=100)
    assert Decimal(100) <= found.p10


def test_the_shape_of_a_week_is_learnt_in_two() -> None:
    """A day's hours show from two days on, a week's from two weeks on; before, every hour is alike."""
    known = {days: hour_of_week(History(start=MONDAY, bucket_sec=3600, amounts=WEEKDAYS[: 24 * days]), ShapeRule())
             for days in (1, 7, 28)}  # fmt: skip
    first_monday_hour = int(MONDAY.timestamp() // 3600) % 168
    noon, sunday_noon = first_monday_hour + 12, (first_monday_hour + 6 * 24 + 12) % 168
    assert known[1].tolist() == [1.0] * 168
    assert known[7][noon] == known[7][sunday_noon] > 1
    assert known[28][noon] > 1.5 > known[28][sunday_noon]
    assert known[28].mean() == pytest.approx(1)


@pytest.mark.parametrize(
    ("bucket_sec", "start", "amount", "said"),
    [
        (7000, MONDAY, 1.0, "does not divide an hour"),
        (3600, MONDAY.replace(tzinfo=None), 1.0, "known zone"),
        (900, MONDAY + timedelta(minutes=7), 1.0, "does not start with a bucket"),
        (900, MONDAY, float("nan"), "not finite"),
    ],
)
def test_a_history_that_cannot_be_is_refused(bucket_sec: int, start: datetime, amount: float, said: str) -> None:
    """What cannot be placed in the hours of a week is refused with a sentence."""
    with pytest.raises(InputError, match=said):
        History(start=start, bucket_sec=bucket_sec, amounts=np.array([amount]))


def test_the_linear_rule_is_a_straight_line() -> None:
    """A quarter of the period gone and 5 spent is 20 at its end."""
    assert linear_estimate(spent=5, elapsed_ratio=0.25) == 20


def test_pinball_punishes_the_wrong_side() -> None:
    """P90 below what came costs nine times what the same distance above does; exact is free."""
    assert pinball(actual=10, estimates=(10, 10, 10)) == 0
    assert pinball(actual=20, estimates=(20, 20, 10)) == pytest.approx(9 / 3)
    assert pinball(actual=10, estimates=(10, 10, 20)) == pytest.approx(1 / 3)


def test_a_score_counts_each_side_once() -> None:
    """One case within, one below, one above: a third each; the ends of the band belong to it."""
    case = Case(period_start=MONDAY, elapsed_ratio=0.5, actual=1.0, p10=1.0, p50=2.0, p90=3.0, linear=4.0, scale=1.0)
    found = score(replace(case, actual=actual) for actual in (1.0, 3.0, 0.5, 3.5))
    assert found is not None
    assert (found.cases, found.coverage_ratio, found.below_ratio, found.above_ratio) == (4, 0.5, 0.25, 0.25)
    assert score([]) is None


def test_origins_cover_every_whole_period() -> None:
    """Two and a half days have 19 origins in each of two; a silent series has none."""
    series = History(start=MONDAY, bucket_sec=900, amounts=np.ones(240))
    found = list(cases(series, period_buckets=96))
    assert len(found) == 38
    assert {case.actual for case in found} == {96.0}
    assert not list(cases(History(start=MONDAY, bucket_sec=900, amounts=np.zeros(240)), period_buckets=96))
