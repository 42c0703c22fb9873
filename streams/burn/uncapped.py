"""Entities that spend and that no budget names, where others of their kind have budgets: one finding for each kind.

Laws
1. Only kinds are looked at of which some have a budget by name, in organisations without a budget for the whole; a
   budget for each of a kind covers all of it. What a budget of another kind sees of an entity is not known here.
2. The first such entity that has spent `LEAST_USD` within a day opens the finding, once; it holds until a budget covers
   it (`budget_added`) or it has spent nothing for a day, and only then another one of its kind can be found.
"""

from decimal import Decimal

import numpy as np

from schemas.money import join_pico_usd, usd
from schemas.periods import instant
from schemas.signals import Alert
from streams.burn import messages, rings
from streams.burn.deltas import Deltas
from streams.burn.in_force import Named
from streams.burn.state import BurnState, EntityKey
from streams.burn.table import Slots

RULE = "uncapped"
LEAST_USD = Decimal(1)
DAY_SEC = 86_400


def take(state: BurnState, deltas: Deltas, entities: Slots) -> list[Alert]:
    """The findings that open: the first of each kind in order of name."""
    named = _named(state)
    if not named:
        return []
    found: dict[tuple[str, str], EntityKey] = {}
    at_us = state.clock.lead_us
    opened = {(key[1], key[2].partition("/")[0]) for key in state.episodes.open if key[0] == RULE}
    for place in np.unique(deltas.key_of_row[entities[deltas.live[entities]]]).tolist():
        org, kind, name, _ = deltas.keys[place]
        names = named.get((org, kind))
        if names is None or name in names or (org, kind) in opened:
            continue
        first = found.get((org, kind))
        if (first is None or name < first[2]) and _spent_usd(state, (org, kind, name), at_us) >= LEAST_USD:
            found[org, kind] = (org, kind, name)
    fired = (state.episodes.fire(_finding(state, key, len(named[key[:2]]))) for key in sorted(found.values()))
    return [alert for alert in fired if alert is not None]


def resolve(state: BurnState, *, floor_us: int) -> list[Alert]:
    """Closing alerts of entities that a budget covers now, or that have spent nothing for a day at the floor."""
    alerts = []
    at = instant(state.clock.lead_us)
    for key in state.episodes.of_rule(RULE):
        kind, _, name = key[2].partition("/")
        names = _named(state).get((key[1], kind))
        if names is None or name in names:
            alerts.append(state.episodes.resolve(key, at=at, why="budget_added"))
        elif _spent_usd(state, (key[1], kind, name), floor_us) == 0:
            because = "it has spent nothing for a day"
            alerts.append(state.episodes.resolve(key, at=at, why="calmed_down", because=because))
    return alerts


def _named(state: BurnState) -> Named:
    return {} if state.policies is None else state.policies.named


def _spent_usd(state: BurnState, key: EntityKey, at_us: int) -> Decimal:
    slot = state.entities.slots.get(key)
    if slot is None:
        return Decimal(0)
    found = rings.sums(state.entities.columns, np.array([slot]), window_sec=DAY_SEC, at_us=at_us)
    return usd(join_pico_usd(int(found.micro[0]), int(found.pico[0])))


def _finding(state: BurnState, key: EntityKey, others: int) -> Alert:
    at_us = state.clock.lead_us
    owner = None if state.policies is None else state.policies.owners.of(*key, at_us=at_us)
    spent_usd = _spent_usd(state, key, at_us)
    found = messages.uncapped_alert(key, spent_usd, LEAST_USD, others=others, at=instant(at_us))
    return found.model_copy(update={"owner": owner})
