"""What burn itself says of a spending: budgets as policies, spending as messages of `internal.deltas`, alerts as sent.

Each step is what rating would have sent in it, summed: one message with a row for each budget member that spent, in
the last ten seconds of the step; it goes through `streams.burn.engine.advance`, the same code as in production. Left
out is what no budget alert rests on: rows of entities, publishing rates and states, and ticks between the steps (a
burn rate that has calmed down is held for an hour at least).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np

from deploy.bench.overspend_company import KINDS, Company, Ints
from deploy.bench.overspend_spending import STEP_SEC
from schemas.internal import BUCKET_US, BatchHeaders
from schemas.periods import micros
from schemas.policies import Budget, InForce, Key, Policies, PolicyChange, fold
from schemas.signals import Alert, CloudSignal
from streams.burn.deltas import Deltas, Lists
from streams.burn.engine import advance
from streams.burn.state import BurnState
from streams.ports import Output

ORG = "acme"
START = datetime(2026, 4, 1, tzinfo=UTC)
"""The first step: a month of 30 days."""
_SEC = 1_000_000
_CENTS_PER_REQUEST = 2
_NOBODY = Lists(np.zeros(1, np.int64), np.zeros(0, np.uint64))


@dataclass(frozen=True, slots=True)
class OneChange:
    """A policy log that holds one change; conforms to `streams.ports.PolicyLog`."""

    policies: dict[Key, InForce]

    def latest(self) -> tuple[int, Policies]:
        """Offset 0 and what is in force there."""
        return 0, self.policies

    def at(self, offset: int) -> Policies:
        """What is in force. Raises: KeyError: there is no such offset."""
        if offset != 0:
            raise KeyError(offset)
        return self.policies


def budgets(company: Company) -> dict[str, Budget]:
    """The budgets by id: one for each kind and limit, for each of its members; everything else is the default."""
    found: dict[str, Budget] = {}
    for kind, limit in {(KINDS[kind], limit) for kind, limit in _kinds_and_limits(company)}:
        name = _budget_id(kind, limit)
        scope = {"purpose": name}  # who is in which budget; burn never asks, rating has matched it
        found[name] = Budget(id=name, org=ORG, each=kind, scope=scope, limit=Decimal(limit) / _SEC)
    return dict(sorted(found.items()))


def _kinds_and_limits(company: Company) -> Iterator[tuple[int, int]]:
    yield from zip(company.kinds.tolist(), company.limits_micro.tolist(), strict=True)


def _budget_id(kind: str, limit_micro: int) -> str:
    return f"{kind}-{limit_micro / _SEC:g}"


def alerts_of(company: Company, spent: Ints, *, on_progress: Callable[[int, int], None] | None = None) -> list[Alert]:
    """Every alert that burn sends of budgets, in order; `spent` is micro-USD per entity and step."""
    change = PolicyChange(change_id="bench", actor="bench", at="", files=(), sets=tuple(budgets(company).values()))
    log = OneChange(fold({}, change, offset=0))
    keys = [
        (ORG, "budget", _budget_id(KINDS[kind], limit), company.name(entity))
        for entity, (kind, limit) in enumerate(_kinds_and_limits(company))
    ]
    state, said = BurnState(), list[Alert]()
    for step in range(spent.shape[1]):
        end_us = micros(START) + (step + 1) * STEP_SEC * _SEC
        rows = np.flatnonzero(spent[:, step])
        deltas = _deltas([keys[row] for row in rows.tolist()], spent[rows, step], end_us=end_us) if len(rows) else None
        said += _alerts(advance(state, _header(step, end_us, len(rows)), deltas, log, silent=True))
        if on_progress is not None:
            on_progress(step + 1, spent.shape[1])
    return said


def _alerts(outputs: list[Output]) -> Iterator[Alert]:
    for output in outputs:
        alert = CloudSignal.model_validate_json(output.value).data
        if isinstance(alert, Alert):
            yield alert


def _header(step: int, log_time_us: int, rows: int) -> BatchHeaders:
    return BatchHeaders(
        source_topic="usage.events",
        source_partition=0,
        lanes=1,
        first_offset=step,
        next_offset=step + bool(rows),
        log_time_us=log_time_us,
        policy_offset=0,
        tick=not rows,
        rows=rows,
        opened=0,
    )


def _deltas(keys: list[tuple[str, str, str, str]], micro: Ints, *, end_us: int) -> Deltas:
    rows = len(keys)
    nothing = np.zeros(rows, np.int64)
    requests = np.maximum(1, micro // (_CENTS_PER_REQUEST * 10_000))
    return Deltas(
        keys=keys,
        is_budget=np.ones(rows, np.bool_),
        is_credential=np.zeros(rows, np.bool_),
        key_of_row=np.arange(rows),
        bucket=np.full(rows, end_us // BUCKET_US - 1),
        live=np.ones(rows, np.bool_),
        requests=requests,
        unpriced=nothing,
        tokens=requests * 5_000,
        micro=micro,
        pico=nothing,
        ceiling_micro=nothing,
        ceiling_pico=nothing,
        users=Lists(np.zeros(rows + 1, np.int64), _NOBODY.hashes),
        addresses=Lists(np.zeros(rows + 1, np.int64), _NOBODY.hashes),
    )
