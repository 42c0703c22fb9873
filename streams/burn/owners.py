"""Whom an alert of a budget is for: the budget's own owner, else whom the directory names for what it is about."""

from schemas.signals import Alert
from streams.burn.messages import FINEST_FIRST
from streams.burn.state import BurnState


def owned(state: BurnState, draft: Alert) -> Alert:
    """The draft with an owner, if there is any: of its entity at the log's time, or of what stands above that.

    Where the directory names nobody for the entity, the other conditions of the budget are asked, the finest first.
    """
    if draft.owner is not None or draft.budget_id is None or state.policies is None:
        return draft
    named = [(draft.entity_type, draft.entity_id)]
    named += [(kind, draft.labels[kind]) for kind in FINEST_FIRST if kind in draft.labels]
    at_us, owners = state.clock.lead_us, state.policies.owners
    found = (owners.of(draft.org, kind, name, at_us=at_us) for kind, name in named)
    return draft.model_copy(update={"owner": next((one for one in found if one is not None), None)})
