"""When nightly reconciling is due."""

from datetime import UTC, datetime, timedelta

import pytest

from sinks.nights import next_night

NIGHT = datetime(2026, 11, 22, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("after", "due"),
    [
        (NIGHT - timedelta(microseconds=1), NIGHT),
        (NIGHT, NIGHT + timedelta(days=1)),
        (NIGHT + timedelta(hours=20, minutes=59), NIGHT + timedelta(days=1)),
        (datetime(2026, 12, 31, 23, tzinfo=UTC), datetime(2027, 1, 1, 3, tzinfo=UTC)),
    ],
)
def test_the_next_night_lies_after_the_last(after: datetime, due: datetime) -> None:
    """A night that was done is not due again; one that lies behind a long stop is due at once."""
    assert next_night(after, hour_utc=3) == due
