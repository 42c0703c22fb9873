"""Of whom the threshold of spikes depends: on what is usual in the organisation, not on others, not on an attack."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from streams.anomalies.detector import new_detector
from streams.anomalies.flags import Flag
from streams.anomalies.page import F32
from streams.anomalies.tail import PRIOR, Tail

DAY, DAYS, KEYS = 1440, 3, 60
MOST_RAISED = 0.5


@dataclass(frozen=True)
class Seen:
    """What came of some days: the flags, and the threshold and tail of the organisation that is looked at."""

    flags: list[Flag]
    margin: float
    tail: Tail


def bursty() -> F32:
    """Some days of people whose minutes differ a lot: some twenty of their blocks a day are dear."""
    dice = np.random.default_rng(1)
    usd: F32 = (0.2 * np.exp(dice.normal(0, 0.8, (DAYS * DAY, KEYS)))).astype(np.float32)
    hours = np.exp(dice.normal(0, 1, (DAYS * 24, KEYS))).astype(np.float32)
    return usd * np.repeat(hours, 60, axis=0)


def watched(own: F32, others: F32) -> Seen:
    """What is told of an organisation beside another one."""
    keys, more = own.shape[1], others.shape[1]
    orgs = [0, 1] if more else [0]
    detector = new_detector(np.repeat([0, 1], [keys, more]), orgs=orgs)
    both = np.hstack([own, others])
    flags = [flag for at, usd in enumerate(both) for flag in detector.minute(usd, at_min=at + 1) if flag.row < keys]
    threshold = detector.thresholds[0]
    return Seen(flags, threshold.margin, threshold.tail)


@lru_cache(maxsize=1)
def alone() -> Seen:
    """The same with nobody beside."""
    return watched(bursty(), np.zeros((DAYS * DAY, 0), np.float32))


@settings(max_examples=3, deadline=None, phases=[Phase.generate])
@given(st.integers(1, 60), st.floats(1, 1000), st.integers(2, 600), st.integers(0, 2**16))
def test_no_organisation_moves_the_threshold_of_another(keys: int, times: float, every_min: int, seed: int) -> None:
    """Whatever others spend, by however many keys: the same flags, with the same scores, at the same threshold."""
    dice = np.random.default_rng(seed)
    others = np.exp(dice.normal(0, 0.5, (DAYS * DAY, keys))).astype(np.float32)
    others[np.arange(DAYS * DAY) // 5 % every_min == 1] *= np.float32(times)
    assert alone().tail != PRIOR
    assert any(flag.kind == "spike" for flag in alone().flags)
    assert watched(bursty(), others) == alone()


def test_an_attack_hardly_moves_the_threshold_that_told_it() -> None:
    """Half of an organisation's keys spend fifty times as much, an hour each: what is told is not what is usual."""
    usd = bursty()
    for key in range(0, KEYS, 2):
        start = 2 * DAY + 240 + key * 15
        usd[start : start + 60, key] *= 50
    attacked = watched(usd, usd[:, :0])
    assert len({flag.row for flag in attacked.flags}) >= KEYS // 2
    assert attacked.margin <= alone().margin + MOST_RAISED
