"""Who has not yet done what: pure comparisons of positions, for `drain`, `status` and `apply`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from schemas.progress import Progress

Place = tuple[str, int]
"""(topic without prefix, partition)"""
StagePlace = tuple[str, str, int]
"""(stage, topic without prefix, partition)"""

SIGNALS = (
    "usage.rates", "alerts.budgets", "alerts.anomalies", "alerts.governance", "alerts.value", "control.advice",
)  # fmt: skip
READS: dict[str, tuple[str, ...]] = {
    "rating": ("usage.events", "usage.adjustments", "usage.charges"),
    "burn": ("internal.deltas",),
    "patterns": ("internal.steps",),
    "sink": ("internal.rated", "internal.charges", "usage.outcomes", "usage.dead_letters", *SIGNALS),
}
"""What each stage reads and says its progress on, as fast as it can."""
SPEAKS: dict[str, tuple[str, ...]] = {
    "rating": ("usage.events",),
    "burn": ("internal.deltas",),
    "patterns": ("internal.steps",),
}
"""Where a stage says something every few seconds, and applies policies, though nothing comes."""
OPENED = "usage.policies"
"""What the sink is through with when every budget there is opened from the ledger; it waits for rating to know them."""
Wave = tuple[tuple[str, tuple[str, ...]], ...]
WAVES: tuple[Wave, ...] = (
    (("rating", ("usage.events", "usage.charges")), ("sink", ("usage.outcomes",))),
    (("rating", ("usage.charges",)),),
    (("sink", ("internal.rated", "internal.charges", "usage.dead_letters", OPENED)),),
    (("rating", ("usage.adjustments",)),),
    (("burn", READS["burn"]), ("patterns", READS["patterns"])),
    (("sink", SIGNALS),),
)
"""In which order stages can be through with everything that was produced before a moment: each wave ends what the wave
before it wrote. Rating and, of outcomes, the sink write dead letters, which the sink stores. Rating may send a charge
on to its org's partition; what the ledger takes back or opens goes through rating again, so burn comes after."""
HELD_BACK_US = 7_000_000
"""Burn publishes every 5 s of log time; a little more, because lanes tick once a second for a while after what came."""


@dataclass(frozen=True)
class Said:
    """A stage's last word on a partition, when the broker appended it, and where in `internal.progress` it stands."""

    progress: Progress
    said_at_us: int
    offset: int = 0


@dataclass(frozen=True)
class Behind:
    """A stage that is not through with a partition."""

    stage: str
    topic: str
    partition: int
    next_offset: int
    end_offset: int
    held_back: int = 0

    def __str__(self) -> str:
        """As a person reads it."""
        if self.held_back:
            return f"{self.stage}: {self.held_back:,} conclusions from {self.topic}/{self.partition} not yet said"
        waiting = self.end_offset - self.next_offset
        return f"{self.stage}: {waiting:,} of {self.topic}/{self.partition} (is at {self.next_offset:,})"


def position(said: Mapping[StagePlace, Said], place: StagePlace, *, start: int = 0) -> int:
    """Up to where a stage is done with a partition; `start`, the first offset that is kept, where it said nothing."""
    found = said.get(place)
    return start if found is None else found.progress.next_offset


def behind(
    stage: str, ends: Mapping[Place, int], said: Mapping[StagePlace, Said], *, starts: Mapping[Place, int] | None = None
) -> list[Behind]:
    """Each partition in `ends` that the stage has not done up to its end."""
    return [
        Behind(stage, topic, partition, at, end)
        for (topic, partition), end in sorted(ends.items())
        if (at := position(said, (stage, topic, partition), start=(starts or {}).get((topic, partition), 0))) < end
    ]


def holding_back(
    places: Iterable[Place], said: Mapping[StagePlace, Said], *, began_us: Mapping[Place, int]
) -> list[Behind]:
    """Burn's partitions on which conclusions are drawn but not said yet.

    Under constant load there are always some; those of the beginning are said once HELD_BACK_US of log time have gone
    by since `began_us`.
    """
    found = ((place, said[("burn", *place)].progress) for place in sorted(places) if ("burn", *place) in said)
    return [
        Behind("burn", *place, progress.next_offset, progress.next_offset, progress.held_back)
        for place, progress in found
        if progress.held_back and progress.log_time_us < began_us.get(place, progress.log_time_us) + HELD_BACK_US
    ]


def not_in_force(
    said: Mapping[StagePlace, Said], policy_offset: int, lanes: Mapping[str, Sequence[Place]]
) -> list[str]:
    """The lanes that have not applied policies up to the offset, as a person reads them."""
    return [
        f"{stage} on {topic}/{partition}"
        for stage, places in lanes.items()
        for topic, partition in places
        if (found := said.get((stage, topic, partition))) is None or found.progress.policy_offset < policy_offset
    ]


def silent_since(stage: str, said: Mapping[StagePlace, Said], offset: int, places: Sequence[Place]) -> list[Place]:
    """The places on which the stage has said nothing at or after an offset of `internal.progress`."""
    return [
        (topic, partition)
        for topic, partition in places
        if (found := said.get((stage, topic, partition))) is None or found.offset < offset
    ]
