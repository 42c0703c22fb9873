"""What a new budget had spent before rating knew it: the questions to the ledger, and their answers as rows. Pure.

Laws
1. A row of the ledger is in a budget's opening exactly if rating would have counted it toward the budget and was not
   asked to: same org and scope, a member where the budget has members, rated under a lower policy offset.
2. Budgets that look at the same fields, in the same periods, since the same offset are one question (cut where its
   values are too many for one statement): the cost is per signature, not per budget.
3. Names of columns come from SCOPE_KEYS; values travel as server-side parameters.
"""
# ruff: noqa: S608  the texts are made of our own names; values travel as server-side parameters

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from schemas.errors import CorruptStateError
from schemas.internal import OPENING_SCHEMA, AdjustmentHeaders, to_arrow_bytes
from schemas.money import pico_usd, split_pico_usd
from schemas.policies import SCOPE_KEYS, Budget, Policies
from sinks.adjustments import Adjustment, pieces
from sinks.periods import period_starts

Values = tuple[str, ...]
"""The org and the values of the fields of a scope, in the order of their names."""
MOST_VALUE_BYTES = 90_000
"""Of all values of one field in one statement: servers take 128 KiB."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SUMS: Mapping[str, str] = {
    "requests": "toInt64(count())",
    "errors": "toInt64(countIf(e.status = 'error'))",
    "unpriced_requests": "toInt64(countIf(e.pricing_status LIKE 'unpriced%'))",
    "input_tokens": "toInt64(sum(ifNull(e.input_tokens, 0)))",
    "output_tokens": "toInt64(sum(ifNull(e.output_tokens, 0)))",
    "cache_read_tokens": "toInt64(sum(ifNull(e.input_cache_read_tokens, 0)))",
    "cache_write_tokens": "toInt64(sum("
    + " + ".join(f"ifNull(e.input_cache_write_{kept}_tokens, 0)" for kept in ("5m", "30m", "1h", "12h", "other"))
    + "))",
    "reasoning_tokens": "toInt64(sum(ifNull(e.output_reasoning_tokens, 0)))",
    "cost_usd": "sum(toDecimal128(ifNull(e.cost_usd, 0), 12))",
    "ceiling_cost_usd": "sum(toDecimal128(ifNull(e.ceiling_cost_usd, 0), 12))",
    "first_us": "toUnixTimestamp64Micro(min(e.ts))",
    "last_us": "toUnixTimestamp64Micro(max(e.ts))",
}
"""The columns of an answer behind its keys. As rating sums them: a missing number adds nothing."""
_ADDED = frozenset(_SUMS) - {"first_us", "last_us"}


@dataclass(frozen=True, slots=True)
class Question:
    """One query over the ledger for all budgets of one signature; `budgets` are their ids by org and values."""

    fields: tuple[str, ...]
    each: str | None
    matched_since: int
    starts: tuple[int, ...]
    budgets: Mapping[Values, tuple[str, ...]]
    factors: tuple[tuple[str, int], ...] = ()
    """How many times what was used in a pool counts; other pools count once."""

    def sql(self) -> str:
        """Per org, values, member and period: the sums; keys first, then the columns of `_SUMS`."""
        names = ("org", *self.fields)
        keys = [f"toString(e.{_column(name)}) AS k{number}" for number, name in enumerate(names)]
        keys.append(f"toString(e.{_column(self.each)}) AS member" if self.each else "'' AS member")
        if self.factors:
            keys.append("transform(toString(e.pool), {pools:Array(String)}, {factors:Array(Int64)}, 1) AS weight")
        keys.append("roundDown(toUnixTimestamp64Micro(e.ts), {starts:Array(Int64)}) AS period_us")
        wanted = [f"e.{_column(name)} IN {{v{number}:Array(String)}}" for number, name in enumerate(names)]
        wanted += ["e.is_deleted = 0", "e.policy_offset < {since:Int64}", "e.ts >= {first:DateTime64(6, 'UTC')}"]
        wanted += [f"e.{_column(self.each)} != ''"] if self.each else []
        weight = ["weight"] if self.factors else []
        groups = ", ".join([*(f"k{number}" for number in range(len(names))), "member", *weight, "period_us"])
        sums = ", ".join(_SUMS.values())
        return (
            f"SELECT {', '.join(keys)}, {sums} FROM usage_events_store AS e FINAL"
            f" WHERE {' AND '.join(wanted)} GROUP BY {groups}"
        )

    def parameters(self) -> dict[str, Any]:
        """The values of `sql`."""
        numbers = range(len(self.fields) + 1)
        values: dict[str, Any] = {f"v{number}": sorted({key[number] for key in self.budgets}) for number in numbers}
        first = _EPOCH + timedelta(microseconds=self.starts[0])
        if self.factors:
            values |= {"pools": [pool for pool, _ in self.factors], "factors": [times for _, times in self.factors]}
        return {**values, "since": self.matched_since, "first": first, "starts": list(self.starts)}

    def rows(self, answers: Iterable[Sequence[Any]]) -> Iterator[dict[str, Any]]:
        """The opening rows of all budgets that an answer is of; an answer may be of none."""
        width = len(self.fields) + 1
        for answer in answers:
            member, *weight, period_us = answer[width : width + 2 + bool(self.factors)]
            times = int(weight[0]) if weight else 1
            sums = answer[width + 2 + bool(self.factors) :]
            named = {name: held * (times if name in _ADDED else 1) for name, held in zip(_SUMS, sums, strict=True)}
            micro, pico = split_pico_usd(pico_usd(named.pop("cost_usd")))
            ceiling_micro, ceiling_pico = split_pico_usd(pico_usd(named.pop("ceiling_cost_usd")))
            for budget in self.budgets.get(tuple(answer[:width]), ()):
                yield {
                    **named,
                    "org": answer[0],
                    "entity_type": "budget",
                    "entity_id": budget,
                    "member": member or None,
                    "bucket_us": period_us,
                    "live": False,
                    "cost_micro_usd": micro,
                    "cost_pico_remainder": pico,
                    "ceiling_micro_usd": ceiling_micro,
                    "ceiling_pico_remainder": ceiling_pico,
                    "matched_since": self.matched_since,
                }


def _column(name: str | None) -> str:
    if name != "org" and name not in SCOPE_KEYS:
        raise CorruptStateError(f"a budget's scope names {name!r}, which is no column of the ledger")
    return str(name)


def questions(policies: Policies, *, opened: int, floor_us: int, lead_us: int) -> list[Question]:
    """What to ask for the budgets in force that match since after `opened`, the log's clock between floor and lead."""
    found: dict[tuple[Any, ...], dict[Values, list[str]]] = defaultdict(lambda: defaultdict(list))
    for entry in policies.values():
        budget = entry.policy
        if isinstance(budget, Budget) and entry.matched_since > opened:
            fields = tuple(sorted(budget.scope))
            factors = tuple(sorted(budget.multipliers.items()))
            found[fields, budget.each or "", entry.matched_since, budget.calendar(), factors][
                budget.org, *(budget.scope[name] for name in fields)
            ].append(budget.id)
    asked = []
    for (fields, each, since, calendar, factors), budgets in sorted(found.items(), key=lambda item: str(item[0])):
        starts = period_starts(calendar, floor_us=floor_us, lead_us=lead_us)
        asked += [
            Question(fields, each or None, since, starts, {values: tuple(budgets[values]) for values in some}, factors)
            for some in _cut(sorted(budgets))
        ]
    return asked


def _cut(values: Sequence[Values]) -> Iterator[list[Values]]:
    """The values in lists whose longest field stays below MOST_VALUE_BYTES."""
    some: list[Values] = []
    sizes: list[int] = []
    for value in values:
        more = [len(text.encode()) + 4 for text in value]
        sizes = [before + new for before, new in zip(sizes or [0] * len(more), more, strict=True)]
        if some and max(sizes) > MOST_VALUE_BYTES:
            yield some
            some, sizes = [], more
        some.append(value)
    if some:
        yield some


def opening(rows: Iterable[Mapping[str, Any]], *, opened: int) -> list[Adjustment]:
    """The rows as messages: at least one, if only an empty one, which says that budgets up to `opened` are open."""
    order = sorted(rows, key=lambda row: (row["org"], row["entity_id"], row["member"] or "", row["bucket_us"]))
    batch = pa.RecordBatch.from_pylist(order, schema=OPENING_SCHEMA)
    return [
        Adjustment(0, AdjustmentHeaders(kind="opening", opened=opened, rows=piece.num_rows), to_arrow_bytes(piece))
        for piece in pieces(batch, together=("org", "entity_id"))
    ]
