"""What a budget may say about its amounts and periods; a mistake is a sentence that says what to write. Pure."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from schemas.money import plain
from schemas.periods import WEEKDAYS, Kind, anchored

_ANCHORS: Mapping[str, str] = {
    "week": f"a weekday: {', '.join(WEEKDAYS)}",
    "month": 'a day of the month in quotes, like "15"',
    "quarter": 'a month and day in quotes, like "02-01"',
    "year": 'a month and day in quotes, like "04-01"',
}


def check_whole(name: str, amounts: tuple[Decimal, ...], *, unit: str) -> None:
    """What is counted is whole. Raises: ValueError: an amount of tokens or requests is not."""
    for amount in amounts:
        if unit != "usd" and amount != amount.to_integral_value():
            raise ValueError(f"{name} = {plain(amount)} of unit {unit!r} must be a whole number")


def check_anchor(period: Kind, anchor: str | None) -> None:
    """Periods of this kind may begin there. Raises: ValueError: they cannot."""
    if anchor is None:
        return
    if period not in _ANCHORS:
        raise ValueError(f"anchor = {anchor!r} of period {period!r}: only {', '.join(_ANCHORS)} have one")
    try:
        known = anchor in WEEKDAYS if period == "week" else bool(anchored(period, anchor))
    except ValueError:
        known = False
    if not known:
        raise ValueError(f"anchor = {anchor!r} of period {period!r} must be {_ANCHORS[period]}")


def check_days(period: Kind, starts: date | None, ends: date | None) -> None:
    """The first and last day of a budget hold a day. Raises: ValueError: they do not, or one is missing."""
    if period == "once" and (starts is None or ends is None):
        raise ValueError("period = 'once' needs starts, its first day, and ends, the day after its last one")
    if starts is not None and ends is not None and ends <= starts:
        raise ValueError(
            f"ends = {ends} must lie after starts = {starts}; it is the day after the last one that counts"
        )


def check_rolling(period: Kind, days: int | None, starts: date | None, ends: date | None, *, commitment: bool) -> None:
    """A rolling period says how many days it has, and no other does. Raises: ValueError: it is not so."""
    if (period == "rolling") != (days is not None):
        raise ValueError("period = 'rolling' and days go together: days = 30 is today and the 29 days before it")
    if (starts or ends) and period == "rolling":
        raise ValueError("a rolling period has neither starts nor ends; leave them out")
    if commitment and period == "rolling":
        raise ValueError("commitment of period 'rolling': a window that has no end is never over; leave it out")


def check_shares(period: Kind, starts: date | None, ends: date | None, *, prorate: bool, roll_over: bool) -> None:
    """There are periods to share out and to carry over. Raises: ValueError: there are none."""
    if prorate and (period in ("hour", "once", "rolling") or (starts is None and ends is None)):
        raise ValueError("prorate shares out the period that starts or ends cuts; here there is none")
    if roll_over and period in ("once", "rolling"):
        raise ValueError(f"roll_over of period {period!r}: no period follows another; leave it out")
    if roll_over and starts is None:
        raise ValueError("roll_over needs starts: the first day from which on something can be left over")


def check_forecast(period: Kind, *, wanted: bool) -> None:
    """There is a period whose end can be forecast. Raises: ValueError: there is none, or it is too short."""
    if wanted and period in ("hour", "rolling"):
        raise ValueError(f"forecast_alerts of period {period!r}: it needs a period of at least a day with an end")
