"""Which entities spend far above their usual now, read from their rings; and which have come back to normal.

An entity is judged when a live row came; its 45 newest minutes against the quarter hours of the day before them.
Back to normal means: for `CALM_US` at the floor neither of the two newest 5 min parts was hot.
"""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from schemas.money import usd
from schemas.periods import instant
from schemas.policies import SpikeRule
from schemas.signals import Alert
from streams.burn import anomaly_messages, rings
from streams.burn.amounts import short
from streams.burn.anomaly import LONG_GAIN, Judged, Scores, Usual, newest_deviation, scores, usual
from streams.burn.anomaly_messages import Spike
from streams.burn.raising import raised
from streams.burn.state import UNJUDGED, BurnState

Ints = npt.NDArray[np.int64]

CALM_US = 900_000_000
_PARTS = 9
_MICRO = 1_000_000
_CLEAR_SHARE = Decimal("0.8")


@dataclass(frozen=True, slots=True)
class Measured:
    """What the detector sees of some rows at one moment; costs in micro-USD. `covered` as in rings.py."""

    judged: Judged
    baseline: Usual
    covered: npt.NDArray[np.bool_]


def newest_parts(state: BurnState, slots: Ints, *, at_us: int) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Costs of the nine newest 5 min parts, newest (still running) first, and whether all are in the ring."""
    ring, columns = rings.SHORT, state.entities.columns
    head = columns["newest"][slots] // ring.buckets
    last = at_us // ring.cell_us
    cells = last - np.arange(2 * _PARTS)
    held = (cells <= head[:, None]) & (cells > head[:, None] - ring.cells)
    cost = np.where(held, columns["micro"][slots[:, None], ring.first + cells % ring.cells], 0)
    parts: Ints = cost.reshape(len(slots), _PARTS, 2).sum(axis=2)
    return parts, head - ring.cells <= last - 2 * _PARTS


def measured(state: BurnState, slots: Ints, *, at_us: int) -> Measured:
    """The newest spending, the baseline before it, and the same of the rest of the org."""
    parts, covered = newest_parts(state, slots, at_us=at_us)
    history = _history(state, slots, at_us=at_us)
    org = state.entities.columns["org_slot"][slots].astype(np.int64)
    rest_parts = newest_parts(state, org, at_us=at_us)[0] - parts
    rest = _history(state, org, at_us=at_us) - history
    judged = Judged(parts.astype(np.float64), rest_parts.astype(np.float64))
    return Measured(judged, usual(history.astype(np.float64), rest.astype(np.float64)), covered)


def _history(state: BurnState, slots: Ints, *, at_us: int) -> Ints:
    """Costs of the quarter hours of the last day that ended 45 min ago or earlier, oldest first."""
    ring, newest = rings.HISTORY, state.entities.columns["newest"][slots][:, None]
    end = at_us // ring.cell_us - 3
    cells = np.arange(end + 4 - ring.cells, end)
    head = newest // ring.buckets
    held = (cells <= head) & (cells > head - ring.cells)
    found: Ints = np.where(held, state.entities.columns["history"][slots[:, None], cells % ring.cells], 0)
    return found


def judge(state: BurnState, *, moments_us: list[int]) -> list[Alert]:
    """Alerts of entities whose spending is a spike at one of the moments; judged until their next live row."""
    table = state.entities
    unjudged = np.flatnonzero(table.column("flags") & UNJUDGED)
    if len(unjudged) == 0 or state.policies is None:
        return []
    table.will_change(unjudged)
    table.columns["flags"][unjudged] &= ~np.uint8(UNJUDGED)
    alerts = []
    for at_us in moments_us:
        for rule, slots in _candidates(state, unjudged, at_us=at_us):
            alerts.extend(_fired(state, rule, slots, at_us=at_us))
    return alerts


def _candidates(state: BurnState, slots: Ints, *, at_us: int) -> list[tuple[SpikeRule, Ints]]:
    """Per org, sorted by name, the rows that burn enough money for its rule, sorted by key."""
    parts, covered = newest_parts(state, slots, at_us=at_us)
    hourly = np.maximum(parts[:, :3].sum(axis=1) * 4, parts.sum(axis=1) * 4 // 3)
    per_org: dict[str, list[tuple[tuple[str, str, str], int]]] = {}
    spent = covered & (hourly > 0) & (hourly >= _least_micro_per_hour(state))
    for slot, micro_per_hour in zip(slots[spent].tolist(), hourly[spent].tolist(), strict=True):
        key = state.entities.keys[slot]
        if key is None or state.policies is None:
            continue
        rule = state.policies.spike(key[0])
        if rule.enabled and key[1] in rule.entity_types and micro_per_hour >= rule.min_excess_usd_per_hour * _MICRO:
            per_org.setdefault(key[0], []).append((key, slot))
    policies = state.policies
    if policies is None:
        return []
    return [
        (policies.spike(org), np.array([slot for _, slot in sorted(rows)], np.int64))
        for org, rows in sorted(per_org.items())
    ]


def _least_micro_per_hour(state: BurnState) -> int:
    """The lowest money gate of any org: most rows stop here, without a look at their org's rule."""
    rules = () if state.policies is None else state.policies.spikes.values()
    gates = [SpikeRule(org="any").min_excess_usd_per_hour, *(rule.min_excess_usd_per_hour for rule in rules)]
    return int(min(gates) * _MICRO)


def _fired(state: BurnState, rule: SpikeRule, slots: Ints, *, at_us: int) -> list[Alert]:
    seen = measured(state, slots, at_us=at_us)
    found = scores(seen.judged, seen.baseline, min_score=rule.min_score, min_history=rule.min_history_buckets)
    alerts = []
    for index in np.flatnonzero(found.hot).tolist():
        key = state.entities.keys[int(slots[index])]
        if key is None or ("spike", key[0], f"{key[1]}/{key[2]}", "", "", "spike") in state.episodes.open:
            continue
        spike = _spike(state, rule, int(slots[index]), seen, found, index)
        if spike.usd_per_hour - spike.expected_usd_per_hour < rule.min_excess_usd_per_hour:
            continue
        owner = None if state.policies is None else state.policies.owners.of(*key, at_us=at_us)
        alert = raised(state, anomaly_messages.spike_alert(spike, at=instant(state.clock.lead_us), owner=owner))
        if alert is not None:
            alerts.append(alert)
    return alerts


def _spike(state: BurnState, rule: SpikeRule, slot: int, seen: Measured, found: Scores, index: int) -> Spike:  # noqa: PLR0913, PLR0917  one row of several arrays
    key = state.entities.keys[slot]
    org, entity_type, entity_id = key if key is not None else ("", "", "")
    window_sec = int(found.window_sec[index])
    cost = seen.judged.last_15m() if window_sec == 900 else seen.judged.last_45m()
    gain = 1.0 if window_sec == 900 else LONG_GAIN
    fires_ln = float(found.expected_ln[index]) + rule.min_score * float(seen.baseline.scale[index]) / gain
    expected = _per_hour(float(found.expected_ln[index]))
    return Spike(
        org=org,
        entity_type=entity_type,
        entity_id=entity_id,
        usd_per_hour=usd(int(cost[index]) * _MICRO * 3600 // window_sec),
        expected_usd_per_hour=expected,
        threshold_usd_per_hour=max(_per_hour(fires_ln), expected + rule.min_excess_usd_per_hour),
        score=float(found.score[index]),
        history_buckets=int(seen.baseline.buckets[index]),
        window_sec=window_sec,
    )


def _per_hour(level_ln: float) -> Decimal:
    """The hourly rate in USD of a quarter hour's log cost in micro-USD, to six decimals."""
    return short(Decimal(round(float(np.exp(level_ln)) * 4)) / _MICRO)


def resolve(state: BurnState, *, floor_us: int) -> list[Alert]:
    """Closing alerts of entities that have been normal for long enough at the floor."""
    alerts = []
    for key in state.episodes.of_rule("spike"):
        episode = state.episodes.open[key]
        entity_type, _, entity_id = key[2].partition("/")
        slot = state.entities.slots.get((key[1], entity_type, entity_id))
        calm = True if slot is None else _calm(state, key[1], slot, floor_us=floor_us)
        if calm is None:
            continue
        if not calm:
            episode.quiet_since_us = 0
        elif episode.quiet_since_us == 0:
            episode.quiet_since_us = floor_us
        elif floor_us - episode.quiet_since_us >= CALM_US:
            alerts.append(state.episodes.resolve(key, at=instant(state.clock.lead_us), why="calmed_down"))
    return alerts


def _calm(state: BurnState, org: str, slot: int, *, floor_us: int) -> bool | None:
    """Whether the entity is normal at the floor; None where the ring has lost that time."""
    rule = state.policies.spike(org) if state.policies is not None else SpikeRule(org=org)
    if not rule.enabled:
        return True
    slots = np.array([slot])
    seen = measured(state, slots, at_us=floor_us)
    if not seen.covered[0]:
        return None
    newest = float(seen.judged.parts[0, :2].max())
    if newest <= 0 or seen.baseline.buckets[0] == 0:
        return True
    excess_usd = Decimal(newest) * 12 / _MICRO - _per_hour(float(seen.baseline.level_ln[0]))
    deviation = float(newest_deviation(seen.judged, seen.baseline)[0])
    return deviation < rule.min_score / 2 or excess_usd < rule.min_excess_usd_per_hour * _CLEAR_SHARE
