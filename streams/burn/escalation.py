"""Alerts that somebody has taken on, and those that go to the next owner because nobody has.

Laws
1. An acknowledgement in the policies is one transition, `acknowledged`, of the episode of that id, if it is open then.
2. Of a budget with `escalate_to`, an alert that notifies, fires and is not acknowledged goes to the first of these when
   `escalate_after` has passed at the floor since it was told, to the second after twice that time, and so on: each one
   a transition of the same episode with another owner. What is told anew (a page after a ticket) begins anew. An
   acknowledgement ends that; what it resolves to says the last owner.
"""

from schemas.periods import instant, micros
from schemas.policies import Acknowledgement
from schemas.signals import Alert
from streams.burn.amounts import window_name
from streams.burn.episodes import Episode
from streams.burn.in_force import InForceHere
from streams.burn.limits import Plan
from streams.burn.state import BurnState


def acknowledged(state: BurnState, before: InForceHere, after: InForceHere) -> list[Alert]:
    """The transitions of open episodes that are acknowledged from now on, in the order of their keys."""
    new = {key: one for key, one in after.acknowledged.items() if before.acknowledged.get(key) != one}
    if not new:
        return []
    held = ((new.get((key[1], one.alert.alert_id)), one) for key, one in sorted(state.episodes.open.items()))
    return [_taken_on(state, episode, one) for one, episode in held if one is not None]


def _taken_on(state: BurnState, episode: Episode, one: Acknowledgement) -> Alert:
    note = f" ({one.note})" if one.note else ""
    episode.said = episode.said or episode.alert.message
    episode.alert = episode.alert.model_copy(
        update={
            "seq": episode.alert.seq + 1,
            "status": "acknowledged",
            "at": instant(state.clock.lead_us),
            "evidence": {**episode.alert.evidence, "acknowledged_by": one.by},
            "message": f"acknowledged by {one.by}{note}: {episode.said}",
        }
    )
    return episode.alert


def escalate(state: BurnState, *, floor_us: int) -> list[Alert]:
    """The transitions of alerts for which nobody has answered in time at the floor."""
    if state.policies is None or not state.policies.escalating:
        return []
    found = []
    for key, episode in sorted(state.episodes.open.items()):
        plan = state.policies.plans.get((key[1], key[2])) if episode.alert.budget_id is not None else None
        if plan is None or not episode.alert.notify or episode.alert.status != "firing":
            continue
        budget = plan.budget
        told_us = episode.told_us or micros(episode.alert.opened_at)
        due_us = told_us + (episode.escalated + 1) * budget.escalate_after_sec * 1_000_000
        if episode.escalated < len(budget.escalate_to) and due_us <= floor_us:
            found.append(_passed_on(state, episode, plan))
    return found


def _passed_on(state: BurnState, episode: Episode, plan: Plan) -> Alert:
    step, budget = episode.escalated, plan.budget
    owner = budget.escalate_to[step]
    episode.said = episode.said or episode.alert.message
    waited = window_name((step + 1) * budget.escalate_after_sec)
    episode.escalated += 1
    episode.alert = episode.alert.model_copy(
        update={
            "seq": episode.alert.seq + 1,
            "at": instant(state.clock.lead_us),
            "owner": owner,
            "evidence": {**episode.alert.evidence, "escalated": str(step + 1)},
            "message": f"escalated to {owner}, nobody acknowledged it within {waited}: {episode.said}",
        }
    )
    return episode.alert
