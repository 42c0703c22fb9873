"""Forgets a user when an operator asks, between the groups of the worker that stores `internal.rated`.

1. The run's row says how many rows of each table name the user. A dry run ends here.
2. Each statement of the plan (`forgetting.py`) is run, then the rollups are made equal to the ledger on its days.
3. The run's row says done. A crash before: the request is done again, from what is left to do.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

import msgspec
from structlog.typing import FilteringBoundLogger

from schemas.errors import CorruptStateError
from schemas.requests import ForgetRequest
from sinks import forgetting
from sinks.forgetting import Plan
from sinks.patience import Patience
from sinks.reconcile import reconcile
from sinks.runs import Run
from sinks.store import Store

_DAYS_AT_ONCE = 7


class Forgetter:
    """Does what is asked; every step is to be taken while no insert runs."""

    def __init__(
        self, store: Store, patience: Patience, log: FilteringBoundLogger, *, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._until_done = patience.until_done
        self._log = log
        self._now = now

    def run(self, request: ForgetRequest, positions: Mapping[int, int]) -> Iterator[None]:
        """The request is done; what of the user was found stands in the run's message, without the user's name."""
        begun = Run(run_id=request.request_id, reason="forget", at=self._now(), positions=dict(positions))
        named = self._until_done(lambda: forgetting.named_rows(self._store, request))
        begun.message = msgspec.json.encode(named).decode()
        self._write(begun)
        try:
            if not request.dry_run:
                yield from self._carry_out(
                    self._until_done(lambda: forgetting.plan(self._store, request)), request, begun
                )
            begun.state = "done"
        except CorruptStateError as error:
            begun.state, begun.message = "failed", str(error)
            self._log.error("forgetting failed", run=begun.run_id, reason=str(error))
        self._write(begun)
        self._log.info("forgotten", run=begun.run_id, state=begun.state, dry_run=request.dry_run)

    def _carry_out(self, plan: Plan, request: ForgetRequest, begun: Run) -> Iterator[None]:
        for statement in plan.statements:
            self._until_done(lambda statement=statement: forgetting.run(self._store, statement, request))  # type: ignore[misc]  # mypy does not infer defaults of lambdas
            yield
        begun.days = len(plan.days)
        for start in range(0, begun.days, _DAYS_AT_ONCE):
            some = plan.days[start : start + _DAYS_AT_ONCE]
            self._until_done(
                lambda some=some: reconcile(self._store, some, reason="forget", now=begun.at, run_id=begun.run_id)  # type: ignore[misc]  # as above
            )
            begun.days_done += len(some)
            yield

    def _write(self, begun: Run) -> None:
        self._until_done(lambda: begun.write(self._store, now=self._now()))
