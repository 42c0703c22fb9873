"""The shape of spend over the hours of a week: which hours cost more than others. Pure.

Each day (week) is divided by its own mean first, so a growing or bursty series has the shape of a steady one; what few
days have shown is drawn towards flat, and what few weeks have shown towards the shape of a day.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.forecast.history import HOUR_SEC, WEEK_HOURS, Amounts, History, Past, sums

_DAY_HOURS = 24
_HIGH, _MOST_TO_HIGH_RATIO = 0.95, 2.0  # no hour counts for more than twice the high ones


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeRule:
    """How much is believed: `*_prior` are days, or weeks, of flat shape that are added to what was seen.

    An hour counts for at most `most_to_mean_ratio` of its span's level, and spans further apart than that are left out,
    so that one burst makes no shape.
    """

    days_prior: float = 1.0
    weeks_prior: float = 0.5
    most_to_mean_ratio: float = 4.0


def past_of(history: History, *, until: float, rule: ShapeRule) -> Past:
    """The history with its sums and its shape, which reaches to position `until`."""
    amounts = np.maximum(history.amounts, 0.0)
    buckets = max(int(np.ceil(until)), len(amounts)) + 1
    per_hour = HOUR_SEC // history.bucket_sec
    offset = round(history.start.timestamp() % HOUR_SEC) // history.bucket_sec
    hours = np.arange(offset, offset + buckets) // per_hour
    first_hour = int(history.start.timestamp() // HOUR_SEC)
    week = hour_of_week(history, rule)
    shape_sums = sums(week[(first_hour + hours) % WEEK_HOURS])
    return Past(history=history, spent_sums=sums(amounts), shape_sums=shape_sums)


def hour_of_week(history: History, rule: ShapeRule) -> Amounts:
    """168 ratios of mean 1, from hour 0 of 1970's first Thursday in UTC; flat until two whole days are known.

    Hours of a day are told apart from two days on, hours of a week from two weeks on.
    """
    hourly, last_hour = _hourly(history)
    day = _day(hourly, last_hour, rule)
    week = np.tile(day, WEEK_HOURS // _DAY_HOURS)
    ratios, labels = _ratios(hourly, last_hour, WEEK_HOURS, rule)
    if len(ratios) < 2:
        return week
    seen = _smooth(_sum_by(labels, ratios, WEEK_HOURS))
    found = (seen + rule.weeks_prior * week) / (len(ratios) + rule.weeks_prior)
    return _of_mean_one(found)


def _day(hourly: Amounts, last_hour: int, rule: ShapeRule) -> Amounts:
    ratios, labels = _ratios(hourly, last_hour, _DAY_HOURS, rule)
    if len(ratios) < 2:
        return np.ones(_DAY_HOURS)
    seen = _sum_by(labels, ratios, _DAY_HOURS)
    found = (seen + rule.days_prior) / (len(ratios) + rule.days_prior)
    return _of_mean_one(found)


def _hourly(history: History) -> tuple[Amounts, int]:
    """Spend per whole hour of the clock, and the number of the hour after the last one, from 1970."""
    per_hour = HOUR_SEC // history.bucket_sec
    begin = round(-history.start.timestamp() % HOUR_SEC) // history.bucket_sec
    whole = max((len(history.amounts) - begin) // per_hour, 0)
    used = np.maximum(history.amounts[begin : begin + whole * per_hour], 0.0)
    first = -int(-history.start.timestamp() // HOUR_SEC)
    hourly = used.reshape(whole, per_hour).sum(axis=1)
    if hourly.any():
        hourly = np.minimum(hourly, _MOST_TO_HIGH_RATIO * np.quantile(hourly[hourly > 0], _HIGH))
    return hourly, first + whole


def _ratios(hourly: Amounts, last_hour: int, length: int, rule: ShapeRule) -> tuple[Amounts, NDArray[np.int64]]:
    """Newest spans of `length` hours by their level, and the place of each hour in its span.

    A span of zero, or of more than four times or less than a quarter of the middle one, says nothing of a shape.

    The level is the span's mean in its middle and goes in a line to the next one's, or growth would look like a shape.
    """
    count = len(hourly) // length
    begin = len(hourly) - count * length
    spans = hourly[begin:].reshape(count, length)
    places = (np.arange(last_hour - count * length, last_hour) % length).reshape(count, length)
    means = spans.mean(axis=1)
    if not means.any():
        return spans[:0], places[:0]
    usual = float(np.median(means[means > 0]))
    spent = (means > 0) & (np.abs(np.log(np.maximum(means, usual * 1e-9) / usual)) <= np.log(rule.most_to_mean_ratio))
    middles = np.flatnonzero(spent) * length + (length - 1) / 2
    levels = np.interp(np.arange(count * length), middles, means[spent]).reshape(count, length)
    return np.minimum(spans[spent] / levels[spent], rule.most_to_mean_ratio), places[spent]


def _of_mean_one(ratios: Amounts) -> Amounts:
    return np.asarray(ratios / ratios.mean(), dtype=np.float64)


def _sum_by(labels: NDArray[np.int64], ratios: Amounts, length: int) -> Amounts:
    return np.bincount(labels.ravel(), ratios.ravel(), length).astype(np.float64)


def _smooth(week: Amounts) -> Amounts:
    """Each hour with its two neighbours."""
    return (np.roll(week, 1) + 2 * week + np.roll(week, -1)) / 4
