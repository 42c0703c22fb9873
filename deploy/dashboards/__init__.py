"""Grafana's dashboards as code: `python -m deploy.dashboards` writes them to `deploy/grafana/dashboards`.

Each panel is titled by the question that it answers, and its SQL is executed against the real engine in tests.
"""

from deploy.dashboards.anomalies import ANOMALIES
from deploy.dashboards.budgets import BUDGETS
from deploy.dashboards.burn import BURN
from deploy.dashboards.health import HEALTH
from deploy.dashboards.value import VALUE

DASHBOARDS = (BURN, BUDGETS, ANOMALIES, VALUE, HEALTH)
"""All of them, in the order in which a person meets them."""

__all__ = ["DASHBOARDS"]
