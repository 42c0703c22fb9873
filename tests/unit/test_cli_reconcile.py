"""`burnline reconcile`: which days are meant, and how far it is."""

from datetime import UTC, date, datetime

import pytest

from deploy.cli.reconcile import chosen_days, progress_line
from schemas.errors import InputError

NOW = datetime(2026, 11, 22, 9, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("days", "since", "until", "meant"),
    [
        (None, None, None, (date(2026, 11, 21), date(2026, 11, 23))),
        (1, None, None, (date(2026, 11, 22), date(2026, 11, 23))),
        (None, "7d", None, (date(2026, 11, 15), date(2026, 11, 23))),
        (None, "2026-11-01", "2026-11-02", (date(2026, 11, 1), date(2026, 11, 2))),
    ],
)
def test_days_are_those_of_utc_with_today(
    days: int | None, since: str | None, until: str | None, meant: tuple[date, date]
) -> None:
    """The last N days hold today; bounds are half-open."""
    assert chosen_days(days=days, since=since, until=until, now=NOW) == meant


@pytest.mark.parametrize(
    ("days", "since", "until", "message"),
    [
        (1, "7d", None, "choose one"),
        (None, None, "2026-11-02", "needs --since"),
        (None, "2026-11-02", "2026-11-02", "no day lies between"),
    ],
)
def test_days_that_contradict_each_other_are_refused(
    days: int | None, since: str | None, until: str | None, message: str
) -> None:
    """The message says what to change."""
    with pytest.raises(InputError, match=message):
        chosen_days(days=days, since=since, until=until, now=NOW)


def test_progress_names_what_is_done_and_what_was_lost() -> None:
    """One line per look."""
    run = {"state": "running", "events_compared": 12_000, "events_restored": 0, "days": 0, "days_done": 0}
    assert progress_line(run) == "running: 12,000 events of Kafka looked for"
    more = run | {"events_restored": 3, "days": 7, "days_done": 2}
    assert progress_line(more).endswith("looked for, 3 were lost and are stored again, 2 of 7 days")
