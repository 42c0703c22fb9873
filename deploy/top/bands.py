"""The forecast bands of the budgets in a picture: looked up now and then, since they move slowly."""

import threading
import time
from dataclasses import replace
from datetime import datetime

from deploy.forecasting import forecasts
from deploy.policy_log import in_force, read_log
from deploy.stack.find import Connections
from deploy.top.picture import Band, BudgetLine, Picture
from schemas.errors import KafkaUnavailableError, SettingsError
from schemas.policies import Budget, Policies
from sinks.rollups import DIMENSIONS

GOOD_SEC = 300.0
"""A forecast goes by quarters of an hour."""


class Bands:
    """Bands by budget, kept for a while.

    Only of budgets that have no members and that a rollup can answer for: 13 weeks of events are too much to look
    through for a glance. `burnline forecast` tells all of them.
    """

    def __init__(self, found: Connections) -> None:
        self._found = found
        self._known: dict[tuple[str, str], Band] = {}
        self._again_sec = 0.0
        self._one_at_a_time = threading.Lock()
        self.trouble = ""

    def upon(self, picture: Picture, *, now: datetime) -> Picture:
        """The picture with the bands that are known. Without Kafka, which knows the budgets' scopes, there are none.

        Raises: StoreUnavailableError, QueryError: as the store says.
        """
        with self._one_at_a_time:
            if time.monotonic() >= self._again_sec:
                self._known = self._looked_up(picture, now=now)
                self._again_sec = time.monotonic() + GOOD_SEC
        lines = (replace(line, band=self._known.get((line.org, line.budget_id))) for line in picture.budgets)
        return replace(picture, budgets=tuple(lines))

    def _looked_up(self, picture: Picture, *, now: datetime) -> dict[tuple[str, str], Band]:
        self.trouble = ""
        if not picture.budgets:
            return {}
        try:
            policies = in_force(read_log(self._found.kafka))
        except (KafkaUnavailableError, SettingsError) as error:
            self.trouble = f"no forecasts: {error}"
            return {}
        found = {}
        for line in picture.budgets:
            band = self._band(line, policies, now=now) if is_quick(line, policies) else None
            if band is not None:
                found[line.org, line.budget_id] = band
        return found

    def _band(self, line: BudgetLine, policies: Policies, *, now: datetime) -> Band | None:
        told = forecasts(self._found.clickhouse, policies, now=now, org=line.org, budget=line.budget_id)
        known = next((one.forecast for one in told if one.forecast is not None), None)
        return None if known is None else Band(known.p10, known.p50, known.p90)


def is_quick(line: BudgetLine, policies: Policies) -> bool:
    """Whether a rollup knows what this budget counts, and it has no members."""
    entry = policies.get(("budget", line.org, line.budget_id))
    budget = entry.policy if entry is not None else None
    if not isinstance(budget, Budget) or budget.each is not None:
        return False
    return set(budget.scope) <= set(DIMENSIONS) and not budget.multipliers
