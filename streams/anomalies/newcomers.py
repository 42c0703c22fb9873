"""Who is too little known to be judged by its own past, against all that those with the same parent ever spent. Pure.

Its peers' records (logs of what each spent at most in three minutes) are a sample of what one like them spends at most;
the next one lies beyond the bound of a prediction interval with a known chance. Middle and spread are robust: a median,
and the median distance from it.

Laws
1. Told is what lies beyond that bound and `least_times_usual` above the most that any known peer spent, whatever their
   spread says, in two of three minutes, and beyond the money gate above what is usual for them. What it spent itself
   counts with theirs once it is known for as long as a peer must be.
2. With fewer than `least_peers` peers that are known, or while most are new themselves, as in an organisation's first
   days, nothing is told; the fewer they are, the wider is the interval.
3. The chance is so small that of all newcomers of an organisation `false_alerts_per_day` are told falsely.
4. A newcomer is told once. While its episode lasts none of it is learnt, as of every other spike.
5. Only what peers did before counts: a newcomer is no peer until it is known itself.
Source: prediction interval for one further value, Hahn and Meeker, Statistical Intervals (1991), 4.7; Student's t by
its finite series, Abramowitz and Stegun 26.7.3 and 26.7.4.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import atan, cos, erfc, log, pi, sin, sqrt

import numpy as np

from streams.anomalies.page import F32, WINDOW_MIN, Page, Rows
from streams.anomalies.rules import Rules
from streams.anomalies.spikes import PER_HOUR, Spending

_DISTANCE_TO_SIGMA = 1.4826  # of a normal distribution
_LEAST_SPREAD = 0.25
_NORMAL_FROM = 200  # degrees of freedom


@dataclass(frozen=True, slots=True)
class Newcomer:
    """One of those that spent: its place among them, and what its peers say.

    usual: the log of what is usual among them; above: how far, as a log, it lies above the most that any of them spent;
    least: from where on that is told; p_value: how likely one of them would spend as much.
    """

    place: int
    peers: int
    usual: float
    above: float
    least: float
    p_value: float


def judge(page: Page, parents: Rows, seen: Spending, rules: Rules, *, org_of: Sequence[object]) -> list[Newcomer]:
    """Those to be told; `org_of` is the organisation of each parent."""
    rows, spent = seen.rows, seen.spent
    little = (page.active_minutes[rows] < rules.least_active_minutes) & (page.said_min[rows] == 0)
    candidates = np.flatnonzero(little & (np.exp(spent) * PER_HOUR >= page.gate_usd[rows]))
    if len(candidates) == 0:
        return []
    known = np.flatnonzero(page.active_minutes >= rules.least_peer_minutes)
    of_known, of_candidates = parents[known], parents[rows[candidates]]
    count = int(parents.max()) + 1
    most = np.full(count, -np.inf, np.float32)
    np.maximum.at(most, of_known, page.most[known])
    peers = np.bincount(of_known, minlength=count)
    recent = np.sort(page.recent[:, rows[candidates]], axis=0)
    all_of_them = np.bincount(parents[page.active_minutes > 0], minlength=count)
    may = (peers >= np.maximum(rules.least_peers, all_of_them / 2))[of_candidates]
    may &= recent[1] * WINDOW_MIN >= np.exp(most[of_candidates])
    may &= spent[candidates] > most[of_candidates]  # what is left is few
    new = np.bincount(parents[(page.active_minutes > 0) & (page.active_minutes < rules.least_peer_minutes)])
    found = []
    for place in candidates[may].tolist():
        row, parent = rows[place], parents[rows[place]]
        theirs = known[of_known == parent]
        peers_of_it = int((theirs != row).sum())
        newcomers = sum(count for org, count in zip(org_of, new.tolist(), strict=False) if org is org_of[parent])
        chance = min(rules.newcomer_chance, rules.false_alerts_per_day / max(newcomers, 1))
        usual = float(np.median(page.level[theirs]))
        above, least, p_value = _held_against(page.most[theirs], float(spent[place]), chance, rules)
        costs_more = (np.exp(spent[place]) - np.exp(usual)) * PER_HOUR >= page.gate_usd[row]
        if above >= least and costs_more and peers_of_it >= rules.least_peers:
            found.append(Newcomer(place, peers_of_it, usual, above, least, p_value))
    return found


def _held_against(records: F32, spent: float, chance: float, rules: Rules) -> tuple[float, float, float]:
    """How far it lies above the greatest of these records, from where on that is told, and the chance of as much."""
    most, middle = float(records.max()), float(np.median(records))
    spread = max(_DISTANCE_TO_SIGMA * float(np.median(np.abs(records - middle))), _LEAST_SPREAD)
    spread *= sqrt(1 + 1 / len(records))
    bound = middle + spread * beyond(chance, len(records) - 1)
    p_value = chance_of((spent - middle) / spread, len(records) - 1)
    return spent - most, max(log(rules.least_times_usual), bound - most), p_value


def chance_of(t: float, freedom: int) -> float:
    """The chance that Student's t of so many degrees of freedom is at least `t`, which is above 0."""
    if freedom >= _NORMAL_FROM:
        return erfc(t / sqrt(2)) / 2
    angle = atan(t / sqrt(freedom))
    odd, term, total = freedom % 2, 1.0, 0.0
    for power in range(2 - odd, freedom, 2) if odd else range(0, freedom, 2):
        total += term * cos(angle) ** power
        term *= (power + 1) / (power + 2)
    inside = 2 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total
    return max((1 - inside) / 2, 0.0)


@lru_cache(maxsize=_NORMAL_FROM)
def beyond(chance: float, freedom: int) -> float:
    """What Student's t exceeds with that chance, to a thousandth."""
    low, high = 0.0, 1.0
    while chance_of(high, freedom) > chance:
        high *= 2
    while high - low > 0.001:
        middle = (low + high) / 2
        low, high = (middle, high) if chance_of(middle, freedom) > chance else (low, middle)
    return high
