"""Drain waits for what burn has concluded but not said, and not for ever."""

from deploy.stack.position_rules import HELD_BACK_US, Said, StagePlace, holding_back
from schemas.progress import Progress

PLACE = ("internal.deltas", 1)
REACHED_US = 1_795_338_904_000_000


def said(held_back: int, *, later_us: int = 0) -> dict[StagePlace, Said]:
    """Burn's word on the partition, some log time after it had reached the end that is waited for."""
    progress = Progress(
        stage="burn",
        topic=PLACE[0],
        partition=PLACE[1],
        next_offset=10,
        policy_offset=-1,
        log_time_us=REACHED_US + later_us,
        held_back=held_back,
    )
    return {("burn", *PLACE): Said(progress, REACHED_US)}


def test_conclusions_not_said_yet_are_waited_for() -> None:
    """A partition with conclusions held back is behind, and says how many."""
    assert [one.held_back for one in holding_back([PLACE], said(3), began_us={PLACE: REACHED_US})] == [3]


def test_nothing_held_back_is_nothing_missing() -> None:
    """A partition that has said everything is through."""
    assert holding_back([PLACE], said(0), began_us={PLACE: REACHED_US}) == []


def test_constant_load_does_not_hold_a_drain_for_ever() -> None:
    """What was concluded at the beginning is said within HELD_BACK_US of log time, whatever came since."""
    assert holding_back([PLACE], said(3, later_us=HELD_BACK_US - 1), began_us={PLACE: REACHED_US}) != []
    assert holding_back([PLACE], said(3, later_us=HELD_BACK_US), began_us={PLACE: REACHED_US}) == []
