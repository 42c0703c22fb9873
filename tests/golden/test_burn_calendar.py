"""Budget periods on tricky dates: changes of the clocks, skipped midnights and days, year ends, half-hour zones."""

from itertools import pairwise
from zoneinfo import available_timezones

import pytest

from schemas.periods import Calendar, Kind, instant, period_in, period_of
from tests.scenarios.burn_log import DAY, us

CALENDAR: list[tuple[Kind, str, str, str, str]] = [
    # kind, zone, an instant, start, end (UTC)
    ("month", "UTC", "2026-11-30T23:59:59", "2026-11-01T00:00", "2026-12-01T00:00"),
    ("month", "UTC", "2026-12-01T00:00:00", "2026-12-01T00:00", "2027-01-01T00:00"),
    ("month", "Europe/Berlin", "2026-10-31T23:00:00", "2026-10-31T23:00", "2026-11-30T23:00"),
    ("month", "Europe/Berlin", "2026-10-31T22:59:59", "2026-09-30T22:00", "2026-10-31T23:00"),
    ("month", "Asia/Kolkata", "2026-02-28T18:29:59", "2026-01-31T18:30", "2026-02-28T18:30"),
    ("month", "Asia/Kathmandu", "2024-02-29T18:15:00", "2024-02-29T18:15", "2024-03-31T18:15"),
    ("quarter", "UTC", "2026-12-31T23:59:59", "2026-10-01T00:00", "2027-01-01T00:00"),
    ("quarter", "Europe/Berlin", "2026-03-31T22:00:00", "2026-03-31T22:00", "2026-06-30T22:00"),
    ("quarter", "America/New_York", "2026-02-28T12:00:00", "2026-01-01T05:00", "2026-04-01T04:00"),
    ("year", "UTC", "2024-02-29T00:00:00", "2024-01-01T00:00", "2025-01-01T00:00"),
    ("year", "Asia/Kolkata", "2026-12-31T18:29:59", "2025-12-31T18:30", "2026-12-31T18:30"),
    ("day", "Europe/Berlin", "2026-03-29T12:00:00", "2026-03-28T23:00", "2026-03-29T22:00"),  # 23 hours
    ("day", "Europe/Berlin", "2026-10-25T12:00:00", "2026-10-24T22:00", "2026-10-25T23:00"),  # 25 hours
    ("day", "America/New_York", "2026-11-01T12:00:00", "2026-11-01T04:00", "2026-11-02T05:00"),
    ("day", "Africa/Cairo", "2024-04-26T12:00:00", "2024-04-25T22:00", "2024-04-26T21:00"),  # midnight is skipped
    ("day", "America/Havana", "2024-11-03T12:00:00", "2024-11-03T04:00", "2024-11-04T05:00"),  # midnight comes twice
    ("day", "Pacific/Apia", "2011-12-30T11:00:00", "2011-12-30T10:00", "2011-12-31T10:00"),  # 30 December never was
    ("day", "Pacific/Apia", "2011-12-30T09:59:59", "2011-12-29T10:00", "2011-12-30T10:00"),
    ("week", "UTC", "2026-11-22T12:00:00", "2026-11-16T00:00", "2026-11-23T00:00"),  # Sunday ends an ISO week
    ("week", "UTC", "2026-11-23T00:00:00", "2026-11-23T00:00", "2026-11-30T00:00"),
    ("week", "UTC", "2027-01-01T00:00:00", "2026-12-28T00:00", "2027-01-04T00:00"),  # over the year's end
    ("week", "Europe/Berlin", "2026-10-25T12:00:00", "2026-10-18T22:00", "2026-10-25T23:00"),
    ("hour", "Asia/Kolkata", "2026-11-22T09:29:59", "2026-11-22T08:30", "2026-11-22T09:30"),
    ("hour", "Europe/Berlin", "2026-10-25T00:30:00", "2026-10-25T00:00", "2026-10-25T01:00"),
    ("hour", "Europe/Berlin", "2026-10-25T01:30:00", "2026-10-25T01:00", "2026-10-25T02:00"),
    ("hour", "Australia/Lord_Howe", "2026-04-04T14:45:00", "2026-04-04T14:00", "2026-04-04T15:00"),
    ("hour", "Australia/Lord_Howe", "2026-04-04T15:05:00", "2026-04-04T15:00", "2026-04-04T15:30"),
]


ANCHORED: list[tuple[Calendar, str, str, str]] = [
    # kind, zone and anchor; an instant, start, end (UTC)
    (
        Calendar("week", "America/New_York", "sunday"),
        "2026-11-01T12:00:00",
        "2026-11-01T04:00",
        "2026-11-08T05:00",
    ),  # 169 hours
    (Calendar("week", "UTC", "monday"), "2026-11-22T12:00:00", "2026-11-16T00:00", "2026-11-23T00:00"),
    (Calendar("month", "Europe/Berlin", "15"), "2026-10-20T12:00:00", "2026-10-14T22:00", "2026-11-14T23:00"),
    (Calendar("month", "Asia/Kathmandu", "15"), "2026-11-14T18:15:00", "2026-11-14T18:15", "2026-12-14T18:15"),
    (Calendar("month", "UTC", "31"), "2027-02-28T00:00:00", "2027-02-28T00:00", "2027-03-31T00:00"),
    (Calendar("month", "UTC", "31"), "2028-02-28T23:59:59", "2028-01-31T00:00", "2028-02-29T00:00"),  # a leap year
    (Calendar("month", "UTC", "30"), "2028-03-01T00:00:00", "2028-02-29T00:00", "2028-03-30T00:00"),
    (Calendar("month", "UTC", "1"), "2026-12-31T23:59:59", "2026-12-01T00:00", "2027-01-01T00:00"),
    (Calendar("quarter", "UTC", "02-01"), "2027-01-31T23:59:59", "2026-11-01T00:00", "2027-02-01T00:00"),
    (Calendar("quarter", "UTC", "01-31"), "2027-04-30T00:00:00", "2027-04-30T00:00", "2027-07-31T00:00"),
    (Calendar("quarter", "UTC", "12-15"), "2026-12-14T23:59:59", "2026-09-15T00:00", "2026-12-15T00:00"),
    (Calendar("year", "Europe/London", "04-01"), "2027-03-31T22:59:59", "2026-03-31T23:00", "2027-03-31T23:00"),
    (Calendar("year", "Asia/Kolkata", "04-01"), "2026-03-31T18:30:00", "2026-03-31T18:30", "2027-03-31T18:30"),
    (Calendar("year", "UTC", "02-29"), "2028-02-28T23:59:59", "2027-02-28T00:00", "2028-02-29T00:00"),
    (Calendar("year", "UTC", "02-29"), "2028-02-29T00:00:00", "2028-02-29T00:00", "2029-02-28T00:00"),
    (Calendar("year", "UTC", "12-31"), "2026-12-31T00:00:00", "2026-12-31T00:00", "2027-12-31T00:00"),
]


@pytest.mark.parametrize(("calendar", "at", "start", "end"), ANCHORED)
def test_anchored_period_of_a_tricky_instant(calendar: Calendar, at: str, start: str, end: str) -> None:
    """The period that begins at the anchor and holds the instant is the one in the calendar."""
    found = period_in(calendar, us(at))
    assert found is not None
    assert (us(start), us(end)) == (found.start_us, found.end_us)


@pytest.mark.parametrize(("kind", "zone", "at", "start", "end"), CALENDAR)
def test_period_of_a_tricky_instant(kind: Kind, zone: str, at: str, start: str, end: str) -> None:
    """The period that holds the instant is the one in the calendar."""
    found = period_of(us(at), kind, zone)
    assert (start, end) == (
        instant(found.start_us).strftime("%Y-%m-%dT%H:%M"),
        instant(found.end_us).strftime("%Y-%m-%dT%H:%M"),
    )


@pytest.mark.parametrize("kind", ["hour", "day", "week", "month", "quarter", "year"])
@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Cairo", "Asia/Tehran", "Pacific/Apia"]
)
def test_periods_follow_each_other_without_gap_or_overlap(kind: Kind, zone: str) -> None:
    """Two years of periods: each begins where the one before ends, on a quarter of an hour, and holds both its ends."""
    at_us, periods = us("2011-01-01"), []
    while at_us < us("2011-04-15" if kind == "hour" else "2013-01-01"):
        periods.append(period_of(at_us, kind, zone))
        at_us = periods[-1].end_us
    assert all(before.end_us == after.start_us for before, after in pairwise(periods))
    for period in periods:
        assert period.start_us % (900 * 1_000_000) == 0
        assert period == period_of(period.start_us, kind, zone) == period_of(period.end_us - 1, kind, zone)


def test_every_zone_begins_its_days_on_a_quarter_of_an_hour() -> None:
    """What burn looks periods up by, a quarter of an hour of UTC, lies in one day of any zone."""
    for zone in sorted(available_timezones()):
        for start in ("2000-06-01", "2013-01-01", "2026-11-22"):
            assert period_of(us(start), "day", zone).start_us % (900 * 1_000_000) == 0, zone
            assert period_of(us(start), "day", zone).end_us - period_of(us(start), "day", zone).start_us <= 2 * DAY
