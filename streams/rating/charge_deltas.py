"""Days of charges as sums per budget and 10 s bucket: the rows for `internal.deltas`. Pure.

Laws
1. For each budget the sums over its rows are the shares of the days that it matches, with their signs, exactly.
2. Only budgets in USD, of a day or longer, are debited: a share is of a whole day, and holds no tokens or requests.
3. There are no rows of entities: rates and anomalies are about usage.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.internal import DELTA_COUNTS
from schemas.policies import Budget, Policies
from streams.rating.deltas import Counted, deltas_of
from streams.rating.groups import Codes, Ints, codes_of
from streams.rating.matching import Matcher
from streams.rating.spreading import Shares, shares
from streams.rating.standing_charges import Charge

MOST_ROWS = 100_000
"""Days of charges that are summed at once."""
_BUDGET = pa.scalar("budget")
_MEMBER = "member of "


@dataclass(frozen=True, slots=True)
class Days:
    """The days numbered [start, stop) of a charge, to be debited (sign +1) or taken back (-1)."""

    charge: Charge
    start: int
    stop: int
    sign: int = 1


class _Rows:
    """Days as rows; conforms to `groups.CodedRows`."""

    def __init__(self, days: Sequence[Days], parts: Sequence[Shares]) -> None:
        self._who = [some.charge.who for some in days]
        self._owner: Ints = np.repeat(np.arange(len(days)), [some.stop - some.start for some in days])
        self._codes: dict[str, Codes] = {}
        self.rows = len(self._owner)
        self.event_us: Ints = np.concatenate([part.noon_us for part in parts])

    def codes(self, name: str) -> Codes:
        """A column of names as codes."""
        if name not in self._codes:
            found = codes_of(pa.array([who.get(name) for who in self._who], pa.string()))
            self._codes[name] = Codes(found.codes[self._owner], found.values)
        return self._codes[name]


class _Nameless:
    """The same rows without names of entities, so that no sums are made of these; a budget's members keep theirs."""

    def __init__(self, rows: _Rows) -> None:
        self._rows = rows
        self._none = Codes(np.full(rows.rows, -1, np.int64), [])
        self.rows = rows.rows
        self.event_us = rows.event_us

    def codes(self, name: str) -> Codes:
        """The org, or a column of members; nothing else."""
        if name == "org" or name.startswith(_MEMBER):
            return self._rows.codes(name.removeprefix(_MEMBER))
        return self._none


def debited(policies: Policies, *, since_after: int = -1) -> Matcher:
    """The budgets that charges debit (law 2), of those that match what they match since after a policy offset."""
    return Matcher(
        {
            key: entry
            for key, entry in policies.items()
            if isinstance(entry.policy, Budget)
            and entry.policy.unit == "usd"
            and entry.policy.period != "hour"
            and entry.matched_since > since_after
        }
    )


def first_day_of_terms(policies: Policies) -> int | None:
    """The ordinal of the day before the first one of any budget of one term of its own; None where there is none."""
    terms = (entry.policy for entry in policies.values() if isinstance(entry.policy, Budget))
    return min((term.starts.toordinal() - 1 for term in terms if term.period == "once" and term.starts), default=None)


def charge_deltas(days: Iterable[Days], matcher: Matcher) -> Iterator[pa.RecordBatch]:
    """The rows of all the days, in batches that have some."""
    for some in _pieces(days):
        rows = _deltas(some, matcher)
        if rows.num_rows:
            yield rows


def _pieces(days: Iterable[Days]) -> Iterator[list[Days]]:
    some: list[Days] = []
    count = 0
    for one in days:
        if one.stop <= one.start:
            continue
        some.append(one)
        count += one.stop - one.start
        if count >= MOST_ROWS:
            yield some
            some, count = [], 0
    if some:
        yield some


def _deltas(days: Sequence[Days], matcher: Matcher) -> pa.RecordBatch:
    parts = [
        shares(some.sign * some.charge.amount_pico_usd, some.charge.service, start=some.start, stop=some.stop)
        for some in days
    ]
    rows = _Rows(days, parts)
    counts = np.zeros((len(DELTA_COUNTS), rows.rows), np.int64)
    counts[DELTA_COUNTS.index("cost_micro_usd")] = np.concatenate([part.micro for part in parts])
    counts[DELTA_COUNTS.index("cost_pico_remainder")] = np.concatenate([part.pico for part in parts])
    never_live = np.zeros(rows.rows, np.bool_)
    batch = Counted(_Nameless(rows), never_live, np.arange(rows.rows), counts, used=False)
    matches = [replace(found, each=found.each and f"{_MEMBER}{found.each}") for found in matcher.matches(rows)]
    every = deltas_of(batch, matches)
    return every.filter(pc.equal(every.column("entity_type"), _BUDGET))
