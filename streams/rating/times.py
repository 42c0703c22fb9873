"""Times of many events at once: microseconds since 1970 of texts like 2026-11-22T09:15:03.120000Z.

Law: where a text is `plain`, its time is what `datetime.fromisoformat` and pydantic read from it.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from streams.rating.groups import Ints

_SHAPE = "dddd-dd-ddTdd:dd:dd.ddddddZ"
_DIGITS = np.array([at for at, sign in enumerate(_SHAPE) if sign == "d"])
_SIGNS = np.array([at for at, sign in enumerate(_SHAPE) if sign != "d"])
_WANTED = np.frombuffer("".join(sign for sign in _SHAPE if sign != "d").encode(), np.uint8)
_FIELDS = (slice(0, 4), slice(4, 6), slice(6, 8), slice(8, 10), slice(10, 12), slice(12, 14), slice(14, 20))
_DAYS_IN_MONTH = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_EARLIEST_YEAR = 2000
_FEW = 64
"""Fewer texts are read one by one: 2 us each, where reading columns begins with 120."""
_PLAIN = re.compile(r"[2-9]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def plain_times_us(texts: Sequence[str]) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """(the times, which texts were plain); the time of another text means nothing.

    Plain is six decimals and `Z`, from the year 2000 on.
    """
    return _one_by_one(texts) if len(texts) < _FEW else _in_columns(texts)


def _one_by_one(texts: Sequence[str]) -> tuple[Ints, npt.NDArray[np.bool_]]:
    times_us = [_plain_us(text) for text in texts]
    plain = np.array([time_us is not None for time_us in times_us], np.bool_)
    return np.array([time_us or 0 for time_us in times_us], np.int64), plain


def _plain_us(text: str) -> int | None:
    if _PLAIN.fullmatch(text) is None:
        return None
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
    except ValueError:
        return None


def _in_columns(texts: Sequence[str]) -> tuple[Ints, npt.NDArray[np.bool_]]:
    fitting = [text if len(text) == len(_SHAPE) else " " * len(_SHAPE) for text in texts]
    signs = np.frombuffer("".join(fitting).encode("latin-1", "replace"), np.uint8).reshape(-1, len(_SHAPE))
    by_place = np.ascontiguousarray(signs.T)
    digits = by_place[_DIGITS] - ord("0")  # what is below "0" wraps round to far above 9
    plain = (digits <= 9).all(axis=0) & (by_place[_SIGNS] == _WANTED[:, None]).all(axis=0)
    year, month, day, hour, minute, second, micro = (_number(digits[field]) for field in _FIELDS)
    plain &= (year >= _EARLIEST_YEAR) & (month >= 1) & (month <= 12) & (day >= 1)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0)) & (month == 2)
    plain &= day <= _DAYS_IN_MONTH[np.clip(month - 1, 0, 11)] + leap
    plain &= (hour <= 23) & (minute <= 59) & (second <= 59)
    seconds = ((_days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
    return seconds * 1_000_000 + micro, plain


def _number(digits: npt.NDArray[np.uint8]) -> Ints:
    """The numbers whose digits stand in these rows, the first one first."""
    number = digits[0].astype(np.int32)
    for digit in digits[1:]:
        number = number * 10 + digit
    whole: Ints = number.astype(np.int64)
    return whole


def _days(year: Ints, month: Ints, day: Ints) -> Ints:
    """Days since 1970-01-01 of a date in the Gregorian calendar.

    Source: https://howardhinnant.github.io/date_algorithms.html (days_from_civil), for years from 0 on.
    """
    year = year - (month <= 2)  # a year begins in March, so that the leap day is its last
    era, of_era = np.divmod(year, 400)
    of_year = (153 * (month + np.where(month > 2, -3, 9)) + 2) // 5 + day - 1
    days: Ints = era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
    return days
