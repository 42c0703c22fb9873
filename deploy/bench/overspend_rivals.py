"""What thresholds alone, and LiteLLM's rules, say of the same spending. Pure.

Both see exact sums at once, with no delay, and remember what they said.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deploy.bench.overspend_company import Ints
from deploy.bench.overspend_spending import PER_DAY

SHARES_PERCENT = (50, 80, 100)
"""Thresholds as gateways have them."""
LITELLM_SHARE_PERCENT = 85
"""`threshold_crossed` of LiteLLM: 15 % of the budget are left; its second one, 5 %, has the same key, so it stays
silent for a day after the first. Source: litellm/integrations/SlackAlerting/slack_alerting.py (`budget_alerts`),
docs.litellm.ai/docs/proxy/alerting, read 2026-11-22."""
LITELLM_AGAIN_STEPS = PER_DAY
"""`budget_alert_ttl`: an event that still holds is said again after 24 h."""
_MONTH_DAYS = 30


@dataclass(frozen=True, slots=True)
class Said:
    """Alerts that a person gets: of which entity, at the end of which step, and whether each is a page."""

    entity: Ints
    step: Ints
    page: npt.NDArray[np.bool_]


def thresholds_only(limits_micro: Ints, spent: Ints) -> Said:
    """Once per threshold and month, the moment that it is reached; the whole budget is a page."""
    sums = np.cumsum(spent, axis=1)
    entities, steps, pages = [], [], []
    for percent in SHARES_PERCENT:
        reached = sums * 100 >= limits_micro[:, None] * percent
        some = np.flatnonzero(reached.any(axis=1))
        entities.append(some)
        steps.append(reached[some].argmax(axis=1))
        pages.append(np.full(len(some), percent == max(SHARES_PERCENT)))
    return Said(np.concatenate(entities), np.concatenate(steps), np.concatenate(pages))


def litellm(limits_micro: Ints, spent: Ints) -> Said:
    """`threshold_crossed`, `budget_crossed` and `projected_limit_exceeded`, looked at with each request; all are High.

    Kinder than LiteLLM: it projects keys only, and against a soft budget; here everything is projected, against the
    limit. `projected` = spent + what is left of the month in days x spent / full days before today (on the first day:
    x spent), `_is_projected_spend_over_limit`, litellm/proxy/utils.py.
    """
    sums = np.cumsum(spent, axis=1)
    before = np.full((3, len(limits_micro)), -LITELLM_AGAIN_STEPS)
    entities, steps = [], []
    for step in range(spent.shape[1]):
        spend, day = sums[:, step], step // PER_DAY + 1
        projected = spend + spend / max(day - 1, 1) * (_MONTH_DAYS - day)
        events = (spend * 100 >= limits_micro * LITELLM_SHARE_PERCENT, spend >= limits_micro, projected > limits_micro)
        for event, holds in enumerate(events):
            due = np.flatnonzero(holds & (spent[:, step] > 0) & (step - before[event] >= LITELLM_AGAIN_STEPS))
            if event == 0:
                due = due[spend[due] < limits_micro[due]]
            before[event, due] = step
            entities.append(due)
            steps.append(np.full(len(due), step))
    found = np.concatenate(entities)
    return Said(found, np.concatenate(steps), np.ones(len(found), np.bool_))
