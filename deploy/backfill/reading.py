"""What the ledger has of budgets, read as the walk needs it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from deploy.backfill.rules import Life
from deploy.backfill.to_the_event import Event
from deploy.backfill.walk import Added, Fired
from deploy.moments import in_utc
from deploy.store_client import rows
from schemas.connection import ClickHouseSettings
from schemas.money import pico_usd
from schemas.periods import instant, micros, midnight_us
from schemas.policies import Budget
from sinks.backfill_questions import Looks, Span, days_of_charges, debited, events_of, looks_of, values_of
from sinks.queries import Query

Row = Mapping[str, Any]
_MOST_VALUES = 500  # of one field in one question: servers take 128 KiB of a parameter
_NOON = time(12)


class Asks(Protocol):
    """The rows of a question."""

    def __call__(self, query: Query) -> Sequence[Row]:
        """Raises: StoreUnavailableError, QueryError."""
        ...


def asks(clickhouse: ClickHouseSettings) -> Asks:
    """Questions go to this ClickHouse."""
    return lambda query: rows(clickhouse, query.sql, query.parameters)


def added(ask: Asks, lives: Mapping[Life, Budget], span: Span, *, cuts_us: Sequence[int]) -> Iterator[Added]:
    """What each life was debited in the span, in no order; charges are in it whatever import is left out."""
    first_us, end_us = micros(span.since), micros(span.until)
    for looks, whose in _together(lives):
        for some in _cut(sorted(whose)):
            for row in ask(debited(looks, some, span, cuts_us=[cut for cut in cuts_us if first_us < cut < end_us])):
                yield from _of_events(row, looks, whose, first_us=first_us)
            for row in ask(days_of_charges(looks, some, span)):
                yield from (one for one in _of_charges(row, looks, whose, lives) if first_us <= one.at_us < end_us)


def events(ask: Asks, fired: Fired, lives: Mapping[Life, Budget], *, until_us: int, without_import: str) -> list[Event]:
    """The events of the interval in which an alert would have fired."""
    if fired.by is None or fired.cause != "events":
        return []
    span = Span(instant(fired.at_us), instant(until_us), without_import)
    found = ask(events_of(lives[fired.by.life], fired.by.member, span))
    return [
        Event(
            ts=in_utc(row["ts"]),
            source=row["source"],
            id=row["id"],
            requests=row["requests"] * row["weight"],
            tokens=row["tokens"] * row["weight"],
            cost_usd=row["cost_usd"] * row["weight"],
            ceiling_usd=row["ceiling_usd"] * row["weight"],
        )
        for row in found
    ]


Whose = dict[tuple[str, ...], list[Life]]


def _together(lives: Mapping[Life, Budget]) -> Iterator[tuple[Looks, Whose]]:
    """Lives that look at the same fields, by the values that they look for."""
    found: dict[Looks, Whose] = defaultdict(lambda: defaultdict(list))
    for life, budget in sorted(lives.items()):
        found[looks_of(budget)][values_of(budget)].append(life)
    yield from found.items()


def _cut(values: Sequence[tuple[str, ...]]) -> Iterator[Sequence[tuple[str, ...]]]:
    for first in range(0, len(values), _MOST_VALUES):
        yield values[first : first + _MOST_VALUES]


def _lives_of(row: Row, looks: Looks, whose: Whose) -> Iterable[Life]:
    return whose.get(tuple(row[f"k{number}"] for number in range(len(looks.fields) + 1)), ())


def _of_events(row: Row, looks: Looks, whose: Whose, *, first_us: int) -> Iterator[Added]:
    at_us, weight = max(first_us, int(row["at_us"])), int(row["weight"])
    for life in _lives_of(row, looks, whose):
        yield Added(
            life=life,
            member=row["member"],
            at_us=at_us,
            stands_us=at_us,
            requests=int(row["requests"]) * weight,
            tokens=int(row["tokens"]) * weight,
            pico_usd=pico_usd(row["cost_usd"]) * weight,
            ceiling_pico_usd=pico_usd(row["ceiling_usd"]) * weight,
        )


def _of_charges(row: Row, looks: Looks, whose: Whose, lives: Mapping[Life, Budget]) -> Iterator[Added]:
    """A day of charges debits budgets in USD of a day or longer, from the beginning of the day in its own zone on."""
    day: date = row["day"]
    noon = datetime.combine(day, _NOON, ZoneInfo(row["timezone"] or "UTC"))
    for life in _lives_of(row, looks, whose):
        if lives[life].unit == "usd" and lives[life].period != "hour":
            yield Added(
                life=life,
                member=row["member"],
                at_us=midnight_us(day, row["timezone"] or "UTC"),
                stands_us=micros(noon),
                pico_usd=pico_usd(row["cost_usd"]) * int(row["weight"]),
                is_charge=True,
            )


def until_of(fired: Fired, cuts_us: Sequence[int], *, end_us: int) -> int:
    """Where the interval ends at whose beginning an alert stands."""
    quarter = timedelta(minutes=15) // timedelta(microseconds=1)
    ends = [(fired.at_us // quarter + 1) * quarter, end_us, *(cut for cut in cuts_us if cut > fired.at_us)]
    return min(ends)
