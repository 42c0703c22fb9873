"""What the ledger lets go, and when: months by name, days that are refused."""

from datetime import UTC, date, datetime

import pytest
from pydantic import ValidationError

from sinks.expiring import Expiry
from sinks.settings import LEAST_LEDGER_DAYS, SinkSettings

AT = datetime(2026, 1, 3, 4, 5, 6, 70, tzinfo=UTC)


@pytest.mark.parametrize(
    ("month", "first", "after"),
    [
        (202402, date(2024, 2, 1), date(2024, 3, 1)),
        (202411, date(2024, 11, 1), date(2024, 12, 1)),
        (202412, date(2024, 12, 1), date(2025, 1, 1)),
    ],
)
def test_a_month_is_its_days_half_open(month: int, first: date, after: date) -> None:
    """From its first day to that of the next, also at the end of a year."""
    assert Expiry(month=month, until=AT, events=1, begun_at=AT).days() == (first, after)


def test_an_expiry_has_the_same_name_in_every_life() -> None:
    """It says the month and its newest row, so a sink that begins anew finds the sums of the one before."""
    begun = Expiry(month=202402, until=AT, events=1, begun_at=AT)
    again = Expiry(month=202402, until=AT, events=2, begun_at=AT.replace(year=2027), is_summed=True)
    assert begun.name == again.name == "expiry-202402-20260103T040506000070"


def test_the_ledger_outlives_the_longest_calendar_period() -> None:
    """For ever, or longer than a year and a month: a new budget of a year sums up what the ledger has of it."""
    assert SinkSettings(ledger_days=0).ledger_days == 0
    assert SinkSettings(ledger_days=LEAST_LEDGER_DAYS).ledger_days == LEAST_LEDGER_DAYS
    with pytest.raises(ValidationError, match="at least 400, or 0 for ever"):
        SinkSettings(ledger_days=LEAST_LEDGER_DAYS - 1)
