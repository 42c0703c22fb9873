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
from schemas.policies import Budget, Key, Policies
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
        keys: list[Key] = [("budget", line.org, line.budget_id) for line in picture.budgets if is_quick(line, policies)]
        told = forecasts(self._found.clickhouse, {key: policies[key] for key in keys}, now=now)
        return {
            (one.budget.org, one.budget.id): Band(one.forecast.p10, one.forecast.p50, one.forecast.p90)
            for one in told
            if one.forecast is not None
        }


def is_quick(line: BudgetLine, policies: Policies) -> bool:
    """Whether a rollup knows what this budget counts, and it has no members."""
    entry = policies.get(("budget", line.org, line.budget_id))
    budget = entry.policy if entry is not None else None
    if not isinstance(budget, Budget) or budget.each is not None:
        return False
    return set(budget.scope) <= set(DIMENSIONS) and not budget.multipliers
