"""The lines of a local report, with the columns of `sinks.queries.report`: sums per period and dimensions. Pure.

Laws
1. Sums are exact: micro-USD and remainders are summed apart, as in streams.
2. A day is that of the asked time zone; weeks begin on Monday; bounds are half-open.
3. Columns, their order and the order of lines are those of the report that a stack gives.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from schemas.errors import InputError
from schemas.money import join_pico_usd, usd
from sinks.queries import EVENT_DIMENSIONS
from sinks.rollups import MONEY_MEASURES, TOKEN_MEASURES
from streams.rating.charging import Charges, Pricing
from streams.rating.columns import Columns
from streams.rating.costs import split
from streams.rating.groups import Ints, combine, first_rows, groups_of

PERIODS = ("daily", "weekly", "monthly", "session", "run", "total")
_CALENDAR = ("daily", "weekly", "monthly")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_QUARTER_US = 900_000_000
_COUNTS = ("requests", "errors", "unpriced_requests")
Matrix = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked: lines per period (in `zone`) and dimensions, of calls in [since, until)."""

    period: str = "daily"
    by: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))


def check(asked: Asked) -> None:
    """Raises: InputError: the period or a dimension does not exist; the message has those that do."""
    if asked.period not in PERIODS:
        raise InputError(f"period {asked.period!r} is not known; allowed are {', '.join(PERIODS)}")
    for name in asked.by:
        if name not in EVENT_DIMENSIONS:
            raise InputError(f"dimension {name!r} is not known; allowed are {', '.join(sorted(EVENT_DIMENSIONS))}")


def columns_of(asked: Asked) -> list[str]:
    """The columns of every line."""
    period = {"session": ["session", "first_ts", "last_ts"], "run": ["run", "first_ts", "last_ts"], "total": []}
    keys = [*period.get(asked.period, ["period"]), *(name for name in asked.by if name != asked.period)]
    return [*keys, *_COUNTS, *TOKEN_MEASURES, *MONEY_MEASURES, "priced_to_all_requests_ratio"]


@dataclass
class _Sum:
    """A line so far: counts and tokens, money as (micro-USD, remainder) of each column, first and last time."""

    counts: Matrix
    money: Matrix
    first_us: int
    last_us: int


class Lines:
    """The lines of a report under way."""

    def __init__(self, asked: Asked) -> None:
        self.unnamed = 0
        """Rows of the asked time that name no session, or no run, where each line is one."""
        self._asked = asked
        self._by = [name for name in asked.by if name != asked.period]
        self._sums: dict[tuple[Any, ...], _Sum] = {}

    def add(self, columns: Columns, charges: Charges, valid: Ints) -> int:
        """The rows `valid` that are asked for join their lines; how many they are."""
        rows = valid[self._inside(columns, valid)]
        if not len(rows):
            return 0
        keys, group = self._keys(columns, charges, rows)
        counts, money = _measures(columns, charges)
        order = np.argsort(group, kind="stable")
        starts = np.searchsorted(group[order], np.arange(len(keys)))
        ends = [*starts[1:].tolist(), len(rows)]
        for key, start, end in zip(keys, starts.tolist(), ends, strict=True):
            own = rows[order[start:end]]
            times = columns.event_us[own]
            self._join(
                key, _Sum(counts[:, own].sum(axis=1), money[:, own].sum(axis=1), int(times.min()), int(times.max()))
            )
        return len(rows)

    def told(self) -> list[dict[str, Any]]:
        """The lines, oldest first."""
        asked = self._asked
        by_time = asked.period in ("session", "run")
        ordered = sorted(self._sums.items(), key=lambda one: (one[1].first_us if by_time else 0, one[0]))
        return [self._line(key, total) for key, total in ordered]

    def _inside(self, columns: Columns, valid: Ints) -> npt.NDArray[np.bool_]:
        asked, times = self._asked, columns.event_us[valid]
        inside = np.ones(len(valid), np.bool_)
        if asked.since is not None:
            inside &= times >= _micros(asked.since)
        if asked.until is not None:
            inside &= times < _micros(asked.until)
        if asked.period in ("session", "run"):
            named = columns.codes(asked.period).codes[valid] >= 0
            self.unnamed += int((inside & ~named).sum())
            inside &= named
        return inside

    def _keys(self, columns: Columns, charges: Charges, rows: Ints) -> tuple[list[tuple[Any, ...]], Ints]:
        """(the lines that rows belong to, which of them each row)."""
        parts: list[tuple[Ints, Sequence[Any]]] = []
        if self._asked.period in _CALENDAR:
            parts.append(_days(columns, self._asked))
        names = [self._asked.period] if self._asked.period in ("session", "run") else []
        parts += [_named(columns, charges, name) for name in (*names, *self._by)]
        if not parts:
            return [()], np.zeros(len(rows), np.int64)
        distinct, group = groups_of(*combine(*((codes[rows], len(values)) for codes, values in parts)))
        first = rows[first_rows(group, len(distinct))].tolist()
        return [tuple(values[int(codes[row])] for codes, values in parts) for row in first], group

    def _join(self, key: tuple[Any, ...], new: _Sum) -> None:
        old = self._sums.get(key)
        if old is not None:
            new.counts += old.counts
            new.money += old.money
            new.first_us, new.last_us = min(old.first_us, new.first_us), max(old.last_us, new.last_us)
        self._sums[key] = new

    def _line(self, key: tuple[Any, ...], total: _Sum) -> dict[str, Any]:
        asked = self._asked
        waiting = iter(key)
        line: dict[str, Any] = {}
        if asked.period in _CALENDAR:
            line["period"] = next(waiting)
        elif asked.period != "total":
            line[asked.period] = next(waiting)
            line |= {"first_ts": _at(total.first_us), "last_ts": _at(total.last_us)}
        line |= dict(zip(self._by, waiting, strict=True))
        line |= dict(zip((*_COUNTS, *TOKEN_MEASURES), total.counts.tolist(), strict=True))
        micro, remainder = total.money.reshape(2, -1).tolist()
        line |= {name: usd(join_pico_usd(*pair)) for name, *pair in zip(MONEY_MEASURES, micro, remainder, strict=True)}
        priced = line["requests"] - line["unpriced_requests"]
        return line | {"priced_to_all_requests_ratio": priced / line["requests"]}


def _measures(columns: Columns, charges: Charges) -> tuple[Matrix, Matrix]:
    """(counts and tokens, money): a row per measure; micro-USD of each money column, then the remainders."""
    names = {
        "requests": np.ones(columns.rows, np.int64),
        "errors": columns.equal("status", "error").astype(np.int64),
        "unpriced_requests": charges.unpriced.astype(np.int64),
        "input_tokens": columns.input.total,
        "output_tokens": columns.output.total,
        **dict(zip(TOKEN_MEASURES[2:], (*columns.input.leaves, *columns.output.leaves), strict=True)),
    }
    money = {"cost_usd": charges.cost, "list_cost_usd": charges.listed, "ceiling_cost_usd": charges.ceiling}
    pairs = [split(np.maximum(money[name], 0)) for name in MONEY_MEASURES]
    counts = np.maximum([names[name] for name in (*_COUNTS, *TOKEN_MEASURES)], 0)
    return counts, np.array([micro for micro, _ in pairs] + [rest for _, rest in pairs])


def _days(columns: Columns, asked: Asked) -> tuple[Ints, list[date]]:
    """The day, week or month of each row, as codes; a zone changes its offset on a quarter of an hour only."""
    quarters, place = np.unique(columns.event_us // _QUARTER_US, return_inverse=True)
    days = [_first_day(at, asked) for at in quarters.tolist()]
    distinct = sorted(set(days))
    code = {day: at for at, day in enumerate(distinct)}
    return np.array([code[day] for day in days], np.int64)[place], distinct


def _first_day(quarter: int, asked: Asked) -> date:
    day = (_EPOCH + timedelta(microseconds=quarter * _QUARTER_US)).astimezone(asked.zone).date()
    if asked.period == "weekly":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if asked.period == "monthly" else day


def _named(columns: Columns, charges: Charges, name: str) -> tuple[Ints, Sequence[str]]:
    """A dimension of each row as codes; '' where it was not given."""
    if name == "pricing_status":
        return charges.status, [status.name for status in Pricing]
    codes = columns.codes(name)
    return codes.codes + 1, ["", *codes.values]


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def _at(event_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=event_us)
