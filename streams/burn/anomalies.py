"""What the detectors find is told: as alerts with what was expected, how sure it is, since when, and who rose with it.

Laws
1. An episode lasts as long as the detector's: a spike until it is calm or usual, a leak for a day, a silence until the
   next spending. A spike is said once more, critical, at three times what it was said at.
2. Where somebody announced the spending (`[[planned]]`), the alert says so and notifies nobody.
3. Who rose too is told of teams, agents and other groups, never of people.
"""

from collections.abc import Iterator

import numpy as np

from schemas.periods import instant
from schemas.policies import PlannedEvent
from schemas.signals import Alert
from streams.anomalies.rules import MINUTES_A_DAY
from streams.burn import rings, watching
from streams.burn.anomaly_messages import Anomaly, Risen, anomaly_alert
from streams.burn.raising import KINDS, MOST_LOOKED_AT, raised
from streams.burn.spenders import SpenderKey, minute_of, start_us
from streams.burn.state import BurnState
from streams.burn.watching import Found

KEPT_MIN = 35 * MINUTES_A_DAY
"""Who spends nothing for so long is forgotten."""
_HOUR_SEC, _DAY_SEC = 3600, 86_400
_LEAST_SHARE = 0.2
_MOST_RISEN = 3
_ENDS = {
    "spike": None,
    "leak": "a day has passed; it is told again if it grows on",
    "silence": "it spends again",
}  # fmt: skip


def judge(state: BurnState) -> list[Alert]:
    """Alerts of the minutes that are over now, and the closing ones of what has ended."""
    before = state.watch.next_min
    found = watching.judged(state)
    alerts = [alert for one in found if (alert := _told(state, one)) is not None]
    if found or state.watch.next_min != before:
        alerts += _resolved(state)
    return alerts


def _told(state: BurnState, found: Found) -> Alert | None:
    key, policies = state.watch.spenders.keys[found.slot], state.policies
    if key is None or policies is None:
        return None
    flag, at_us = found.flag, state.clock.lead_us
    rose_usd = flag.observed_usd_per_hour - flag.expected_usd_per_hour
    anomaly = Anomaly(
        key=key,
        flag=flag,
        since=instant(start_us(flag.since_min)),
        again=(flag.kind, key[0], f"{key[1]}/{key[2]}", "", "", flag.kind) in state.episodes.open,
        risen=tuple(_risen(state, key, least_usd=rose_usd * _LEAST_SHARE)) if rose_usd > 0 else (),
        planned=next((one for one in policies.planned if _covers(state, one, key, flag.at_min)), None),
    )
    owner = policies.owners.of(*key, at_us=at_us)
    return raised(state, anomaly_alert(anomaly, at=instant(at_us), owner=owner))


def _covers(state: BurnState, planned: PlannedEvent, key: SpenderKey, at_min: int) -> bool:
    if planned.org != key[0] or not planned.starts <= instant(start_us(at_min)) < planned.ends:
        return False
    team = None if state.policies is None else state.policies.teams.get(key)
    return planned.entity in {None, f"org/{key[0]}", f"{key[1]}/{key[2]}", f"team/{team}"}


def _risen(state: BurnState, key: SpenderKey, *, least_usd: float) -> Iterator[Risen]:
    """Who else of the org spent more in the last hour than in an hour of the last day, the most first."""
    table = state.entities
    if len(table.slots) > MOST_LOOKED_AT:
        return
    named = sorted(of for of in table.slots if of[0] == key[0] and of[1] in KINDS and of != key)
    slots = np.array([table.slots[of] for of in named], np.int64)
    if len(slots) == 0:
        return
    at_us = state.clock.lead_us
    hour, day = (rings.sums(table.columns, slots, window_sec=sec, at_us=at_us).micro for sec in (_HOUR_SEC, _DAY_SEC))
    rose = (hour - day * _HOUR_SEC / _DAY_SEC) / 1e6
    for index in np.argsort(-rose, kind="stable")[:_MOST_RISEN].tolist():
        if rose[index] > least_usd:
            yield Risen(named[index][1], named[index][2], float(rose[index]))


def _resolved(state: BurnState) -> list[Alert]:
    watch, at = state.watch, instant(state.clock.lead_us)
    if start_us(watch.next_min) > (state.clock.floor_us or 0):
        return []
    alerts = []
    for rule, because in _ENDS.items():
        for key in state.episodes.of_rule(rule):
            kind, _, name = key[2].partition("/")
            slot = watch.spenders.slots.get((key[1], kind, name))
            if slot is None or not _lasts(state, rule, slot):
                alerts.append(state.episodes.resolve(key, at=at, why="calmed_down", because=because))
    return alerts


def _lasts(state: BurnState, rule: str, slot: int) -> bool:
    columns = state.watch.spenders.columns
    if not np.isfinite(columns["gate_usd"][slot]):
        return False
    if rule == "spike":
        return bool(columns["opened_min"][slot] > 0)
    if rule == "silence":
        return bool(columns["silent_said_min"][slot] > 0)
    return bool(state.watch.next_min - columns["leak_said_min"][slot] < MINUTES_A_DAY)


def forget(state: BurnState, *, floor_us: int) -> None:
    """Who has spent nothing for `KEPT_MIN` is watched no more, if nothing of it waits."""
    watch = state.watch
    learnt = watch.spenders.column("learnt_min")
    old = np.flatnonzero((learnt < minute_of(floor_us) - KEPT_MIN) & (learnt > 0)).tolist()
    waiting = {int(slot) for cells in watch.late for slot in np.unique(cells[0]).tolist()}
    busy = set(np.flatnonzero(watch.spenders.column("minutes").any(axis=1)).tolist())
    keys = watch.spenders.keys
    watch.spenders.remove([slot for slot in old if keys[slot] is not None and slot not in waiting | busy])
