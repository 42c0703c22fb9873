"""An alert's episode opens: with an owner, and with what burn's own sums say of the change of spend behind it.

The change is that of the last twelve cells of two hours against the twelve before (rings.py), of alerts that notify.
Contributors are never people (requirement R13): of an organisation's budget its teams, agents, use cases, projects and
models; of others what budgets within them say. What burn cannot tell apart stays open, and `burnline explain` says it.
"""

from collections.abc import Iterator

import numpy as np

from schemas.money import join_pico_usd
from schemas.periods import instant
from schemas.policies import ENTITY_TYPES, Budget
from schemas.signals import Alert, AlertBridge, Contributor
from streams.burn import rings
from streams.burn.day_bridge import Used, terms_of, told_amount
from streams.burn.episodes import key_of
from streams.burn.limits import Unit
from streams.burn.owners import owned
from streams.burn.state import BurnState, EntityKey
from streams.burn.table import Slots, Table

CELLS = 12
MOST_LOOKED_AT = 20_000
"""Rows of a table; where there are more of them, contributors stay open: an alert must not hold up a tick."""
MOST_OF_A_KIND = 3
RULES = frozenset({"threshold", "burn_rate", "exhaustion", "under_use", "spike", "leak"})
PEOPLE = frozenset({"user", "credential"})
KINDS = frozenset(ENTITY_TYPES) - PEOPLE - {"org"}
_OPEN = "models, prices, cache, retries and people are not told apart here: burnline explain {alert_id}"
_YOUNG = "what was spent before the budget was applied is known by period only; "


def raised(state: BurnState, draft: Alert) -> Alert | None:
    """The opening alert of a new episode (or what was estimated and is actual now); None where that was said."""
    alert = state.episodes.fire(owned(state, draft))
    if alert is None or not alert.notify or alert.rule not in RULES:
        return alert
    alert = alert.model_copy(update={"bridge": _bridge(state, alert)})
    state.episodes.open[key_of(alert)].alert = alert
    return alert


def _bridge(state: BurnState, alert: Alert) -> AlertBridge | None:
    """None where nothing of the spend is in a window."""
    key: EntityKey = (alert.org, alert.entity_type, alert.entity_id)
    table, plan = state.entities, None
    if alert.budget_id is not None:
        key, table = (alert.org, alert.budget_id, alert.member or ""), state.members
        plan = state.policies.plans.get(key[:2]) if state.policies is not None else None
    unit: Unit = "usd" if plan is None else plan.budget.unit
    slot = table.slots.get(key)
    if slot is None:
        return None
    last = state.clock.lead_us // rings.LONG.cell_us
    before, after = (_used(table, slot, last=last - back) for back in (CELLS, 0))
    known = alert.budget_id is None or key not in state.brought
    terms = terms_of(before, after, unit) if known else None
    since = last - CELLS + 1
    return AlertBridge(
        since=instant(since * rings.LONG.cell_us),
        until=instant(state.clock.lead_us),
        baseline_since=instant((since - CELLS) * rings.LONG.cell_us),
        unit=unit,
        before=told_amount(before.amount(unit), unit),
        after=told_amount(after.amount(unit), unit),
        terms=None if terms is None else {name: told_amount(term, unit) for name, term in terms.items()},
        contributors=[] if plan is None or alert.member else _contributors(state, plan.budget, last=last),
        left_open=("" if known else _YOUNG) + _OPEN.format(alert_id=alert.alert_id[:12]),
    )


def _used(table: Table[EntityKey], slot: int, *, last: int) -> Used:
    found = rings.sums_of_cells(table.columns, np.array([slot]), rings.LONG, first=last - CELLS + 1, last=last)
    pico = join_pico_usd(int(found.micro[0]), int(found.pico[0]))
    return Used(int(found.requests[0]), int(found.tokens[0]), pico)


def _contributors(state: BurnState, budget: Budget, *, last: int) -> list[Contributor]:
    """Those that spent most, by kind, of an organisation's entities and of the budgets within this one."""
    spent: dict[tuple[str, str], int] = {}
    if not budget.scope and not budget.multipliers:
        spent |= _most(state.entities, _entities(state, budget.org), budget.unit, last=last)
    spent |= _most(state.members, _within(state, budget), budget.unit, last=last)
    ranked = sorted(spent.items(), key=lambda one: (one[0][0], -one[1], one[0][1]))
    kinds = {kind for kind, _ in spent}
    chosen = [[one for one in ranked if one[0][0] == kind and one[1] > 0][:MOST_OF_A_KIND] for kind in sorted(kinds)]
    return [
        Contributor(entity_type=kind, entity_id=name, after=told_amount(amount, budget.unit))
        for some in chosen
        for (kind, name), amount in some
    ]


def _entities(state: BurnState, org: str) -> Iterator[tuple[tuple[str, str], int]]:
    if len(state.entities.slots) <= MOST_LOOKED_AT:
        for (of, kind, name), slot in state.entities.slots.items():
            if of == org and kind in KINDS:
                yield (kind, name), slot


def _within(state: BurnState, budget: Budget) -> Iterator[tuple[tuple[str, str], int]]:
    """What budgets within this one are about, that have one condition more, or are for each of a kind."""
    if state.policies is None or len(state.members.slots) > MOST_LOOKED_AT:
        return
    inside = {key: about for key, plan in state.policies.plans.items() if (about := _about(plan.budget, budget))}
    for (org, budget_id, member), slot in state.members.slots.items():
        about = inside.get((org, budget_id))
        if about is not None and (org, budget_id, member) not in state.brought:
            yield (about[0], about[1] or member), slot


def _about(one: Budget, whole: Budget) -> tuple[str, str] | None:
    """The kind and name ('' = each member's) by which a budget is a part of another; None where it is none."""
    same = (one.org, one.unit, one.multipliers) == (whole.org, whole.unit, whole.multipliers)
    if not same or not whole.scope.items() <= one.scope.items():
        return None
    more = [(kind, name) for kind, name in one.scope.items() if kind not in whole.scope]
    more += [(one.each, "")] if one.each is not None else []
    return more[0] if len(more) == 1 and more[0][0] not in PEOPLE else None


def _most(
    table: Table[EntityKey], found: Iterator[tuple[tuple[str, str], int]], unit: Unit, *, last: int
) -> dict[tuple[str, str], int]:
    """What each has used in the last cells, in the smallest unit."""
    named = sorted(found)
    if not named:
        return {}
    slots: Slots = np.array([slot for _, slot in named], np.int64)
    sums = rings.sums_of_cells(table.columns, slots, rings.LONG, first=last - CELLS + 1, last=last)
    columns = (sums.requests.tolist(), sums.tokens.tolist(), sums.micro.tolist(), sums.pico.tolist())
    used = (
        Used(calls, tokens, join_pico_usd(micro, pico)) for calls, tokens, micro, pico in zip(*columns, strict=True)
    )
    return {name: one.amount(unit) for (name, _), one in zip(named, used, strict=True)}
