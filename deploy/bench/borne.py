"""Which load a stack bears: rates are tried until the lag of some stage grows, or no longer does. The search is pure.

A rate is borne if the lag of no stage grows while it lasts. A stage's lag is the age of what it has done last; whose
own part of it grows most is the limit. From a rate that is borne the search goes up by a quarter at a time until one is
not, from one that is not it goes down by a fifth until one is.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deploy.bench.latency_load import Sending
from deploy.stack.drain import drain
from deploy.stack.position_rules import Said, StagePlace
from deploy.stack.positions import Positions
from schemas.connection import KafkaSettings
from schemas.errors import FatalError

Say = Callable[[str], None]
LAGS = {
    "rating": "usage.events",
    "burn": "internal.deltas",
    "patterns": "internal.steps",
    "sink": "internal.rated",
}
AFTER = {"rating": None, "burn": "rating", "patterns": "rating", "sink": "rating"}
"""What each stage reads, and whom it waits for."""
MOST_GROWTH = 0.05
"""Seconds of lag per second that are no growth: a stage that takes ten batches of a second each swings by so much."""
_STEP = 0.8
_WARM_SEC = 10.0
_LOOK_SEC = 1.0
DRAIN_SEC = 300.0
"""How long a stack may take to be through with a load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """A rate: seconds of lag that each stage had in the middle, and gained per second; `limits` is who gained most."""

    per_sec: float
    sent_per_sec: float
    is_borne: bool
    lag_sec: dict[str, float]
    growth: dict[str, float]
    limits: str


def burst_per_sec(kafka: KafkaSettings, sending: Sending, count: int, look: Callable[[], object]) -> float:
    """Events per second from the first to the last that all stages were through with: where a search begins.

    Raises: KafkaUnavailableError. FatalError: it is not through in time.
    """
    began = time.monotonic()
    sending.burst(count)
    left = True
    while left:
        look()
        try:
            drain(kafka, timeout_sec=5)
            left = False
        except FatalError:
            if time.monotonic() - began > DRAIN_SEC:
                raise
    return count / (time.monotonic() - began)


def next_rate(tries: Sequence[Try]) -> float | None:
    """Events per second to try after these, or None: the highest that is borne is among them."""
    last, borne = tries[-1], [one.is_borne for one in tries]
    if all(borne):
        return last.per_sec / _STEP
    return None if any(borne) else last.per_sec * _STEP


def highest(tries: Sequence[Try]) -> Try | None:
    """The highest that is borne."""
    return max((one for one in tries if one.is_borne), key=lambda one: one.sent_per_sec, default=None)


def told(one: Try) -> str:
    """What a try said, in a line."""
    if one.is_borne:
        return f"{one.sent_per_sec:,.0f} events/s are borne"
    return (
        f"{one.per_sec:,.0f} events/s are not: {one.limits} falls behind by {one.growth[one.limits]:.2f} s per second"
    )


def tried(
    kafka: KafkaSettings, sending: Sending, per_sec: float, *, seconds: float, look: Callable[[], object]
) -> tuple[Try, int]:
    """Whether the stack bears a rate, and how many events were sent; all are through then.

    Raises: KafkaUnavailableError. FatalError: they are not through in time.
    """
    looks: list[tuple[float, dict[str, float]]] = []
    with Positions(kafka) as positions:
        began = time.monotonic()

        def between() -> None:
            now_sec = time.monotonic() - began
            if now_sec >= _WARM_SEC + len(looks) * _LOOK_SEC:
                looks.append((now_sec, lags(positions.progress(), now_us=time.time_ns() // 1000)))
                look()

        sent_per_sec = sending.at_rate(per_sec, seconds=_WARM_SEC + seconds, between=between)
        sent = round(sent_per_sec * (_WARM_SEC + seconds))
        sending.flush()
    drain(kafka, timeout_sec=DRAIN_SEC)
    return judged(looks, per_sec=per_sec, sent_per_sec=sent_per_sec), sent


def lags(said: Mapping[StagePlace, Said], *, now_us: int) -> dict[str, float]:
    """Seconds since the log time up to which each stage has done everything; of its slowest partition."""
    return {
        stage: max(
            (
                (now_us - one.progress.log_time_us) / 1e6
                for (who, what, _), one in said.items()
                if (who, what) == (stage, topic)
            ),
            default=0.0,
        )
        for stage, topic in LAGS.items()
    }


def judged(looks: list[tuple[float, dict[str, float]]], *, per_sec: float, sent_per_sec: float) -> Try:
    """What looks at the lags say: who falls behind, on its own account, and whether the rate is borne.

    Raises: FatalError: there are too few looks to see anything.
    """
    if len(looks) < 3:
        raise FatalError("too short to see whether a lag grows: --seconds 60")
    at = np.array([when for when, _ in looks])
    series = {stage: np.array([look[stage] for _, look in looks]) for stage in LAGS}
    growth = {stage: float(np.polyfit(at, values, 1)[0]) for stage, values in series.items()}
    own = {stage: growth[stage] - (growth[before] if before else 0.0) for stage, before in AFTER.items()}
    behind = sent_per_sec < 0.95 * per_sec  # it was not even sent
    return Try(
        per_sec=round(per_sec, 1),
        sent_per_sec=round(sent_per_sec, 1),
        is_borne=not behind and max(growth.values()) <= MOST_GROWTH,
        lag_sec={stage: round(float(np.median(values)), 2) for stage, values in series.items()},
        growth={stage: round(value, 3) for stage, value in growth.items()},
        limits=max(own, key=lambda stage: own[stage]),
    )
