"""Which budgets an event counts toward: those of its org whose conditions all hold, and with `each`, which member.

Budgets that look at the same fields are looked up together, so the cost is per set of fields, not per budget.
What a budget counts several times, or not at all, because of its pool, has a weight: whole, so that sums stay exact.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from schemas.internal import CODED_ROWS
from schemas.policies import Budget, Horizon, Policies
from streams.rating.groups import CodedRows, Codes, Ints, combine, groups_of, runs_of
from streams.rating.texts import words

Signature = tuple[tuple[str, ...], str | None]
"""The fields of the conditions, sorted, and `each`."""

Wanted = Mapping[tuple[str | None, ...], list[str]]
"""The ids of budgets by organisation and the values of their fields."""
DEFAULT_HORIZON_US = 3_600_000_000


@dataclass(frozen=True)
class Matches:
    """Rows and the budgets that they count toward, for budgets of one signature: pair i is (rows[i], budgets[i])."""

    each: str | None
    rows: Ints
    budgets: Ints  # which of `ids`
    ids: list[str]
    weights: Ints | None = None  # how many times each pair counts; None = once


class Matcher:
    """The budgets and horizons in force at one policy offset, arranged for looking up."""

    def __init__(self, policies: Policies) -> None:
        in_force = [entry.policy for entry in policies.values()]
        self.horizon_us = {
            policy.org: policy.live_horizon_sec * 1_000_000 for policy in in_force if isinstance(policy, Horizon)
        }
        self.matched_since = {
            (entry.policy.org, entry.policy.id): entry.matched_since
            for entry in policies.values()
            if isinstance(entry.policy, Budget)
        }
        self._factors = {
            (policy.org, policy.id): policy.multipliers
            for policy in in_force
            if isinstance(policy, Budget) and policy.multipliers
        }
        self._budgets: dict[Signature, dict[tuple[str | None, ...], list[str]]] = defaultdict(lambda: defaultdict(list))
        for budget in in_force:
            if isinstance(budget, Budget):
                fields = tuple(sorted(budget.scope))
                values = (budget.org, *(budget.scope[name] for name in fields))
                self._budgets[fields, budget.each][values].append(budget.id)
        self._ids = {signature: _places(wanted) for signature, wanted in self._budgets.items()}

    def matches(self, columns: CodedRows) -> list[Matches]:
        """All pairs of row and budget, grouped by signature; a row without a member of `each` is left out."""
        found = [self._matches(columns, signature, wanted) for signature, wanted in self._budgets.items()]
        return [match for match in found if len(match.rows)]

    def matches_up_to(self, columns: CodedRows, reached: Ints) -> list[Matches]:
        """The pairs whose budget matches what it matches since a policy offset that the row has `reached`."""
        return [self._up_to(columns, match, reached) for match in self.matches(columns)]

    def _up_to(self, columns: CodedRows, match: Matches, reached: Ints) -> Matches:
        org = columns.codes("org")
        never = np.iinfo(np.int64).max
        since = np.array([[self.matched_since.get((name, id_), never) for id_ in match.ids] for name in org.values])
        known = since[org.codes[match.rows], match.budgets] <= reached[match.rows]
        weights = None if match.weights is None else match.weights[known]
        return Matches(match.each, match.rows[known], match.budgets[known], match.ids, weights)

    def _matches(self, columns: CodedRows, signature: Signature, wanted: Wanted) -> Matches:
        fields, each = signature
        ids, place = self._ids[signature]
        coded = [columns.codes(name) for name in ("org", *fields)]
        named = [code.present for code in coded] + ([columns.codes(each).present] if each else [])
        rows = np.flatnonzero(np.logical_and.reduce(named))
        none = Matches(each, rows[:0], rows[:0], ids)
        if not len(rows):
            return none
        if len(rows) < CODED_ROWS:
            hits, budgets = _one_by_one(coded, rows, wanted, place)
            return Matches(each, hits, budgets, ids, self._weights(columns, hits, budgets, place))
        distinct, group = groups_of(*combine(*((code.codes[rows], len(code.values)) for code in coded)))
        runs = runs_of(group, len(distinct))
        ends = [*runs.starts[1:].tolist(), len(rows)]
        parts: list[tuple[Ints, Ints]] = []
        for row, start, end in zip(rows[runs.first].tolist(), runs.starts.tolist(), ends, strict=True):
            values = tuple(code.values[code.codes[row]] for code in coded)
            hits = rows[runs.order[start:end]]
            parts.extend((hits, np.full(len(hits), place[name], np.int64)) for name in wanted.get(values, ()))
        if not parts:
            return none
        hits, budgets = (np.concatenate(some) for some in zip(*parts, strict=True))
        return Matches(each, hits, budgets, ids, self._weights(columns, hits, budgets, place))

    def _weights(self, columns: CodedRows, rows: Ints, budgets: Ints, place: dict[str, int]) -> Ints | None:
        """How many times each pair counts; None where all count once."""
        weighted = [(org, place[name], factors) for (org, name), factors in self._factors.items() if name in place]
        if not weighted:
            return None
        org, pool = columns.codes("org"), columns.codes("pool")
        weights = np.ones(len(rows), np.int64)
        for name, budget, factors in weighted:
            of_pool = np.array([*(factors.get(value, 1) for value in pool.values), 1], np.int64)  # -1: in no pool
            mine = (budgets == budget) & (np.array([value == name for value in org.values])[org.codes[rows]])
            weights[mine] = of_pool[pool.codes[rows[mine]]]
        return weights


def _places(wanted: Wanted) -> tuple[list[str], dict[str, int]]:
    """The ids of budgets, sorted, and the place of each."""
    ids = sorted({name for names in wanted.values() for name in names})
    return ids, {name: at for at, name in enumerate(ids)}


def _one_by_one(coded: list[Codes], rows: Ints, wanted: Wanted, place: dict[str, int]) -> tuple[Ints, Ints]:
    """The pairs of few rows, which takes less than to group them."""
    said = zip(*(words(code.values, code.codes[rows]) for code in coded), strict=True)
    pairs = [
        (row, place[name]) for row, values in zip(rows.tolist(), said, strict=True) for name in wanted.get(values, ())
    ]
    hits, budgets = np.array(pairs, np.int64).reshape(-1, 2).T
    return hits, budgets
