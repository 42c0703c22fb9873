"""The stage as lanes meet it: policies that are needed, records that cannot be ours, checkpoints, recovery."""

from decimal import Decimal
from typing import Any

import pytest

from schemas.errors import CorruptStateError
from streams.burn.checkpoint import TOPIC
from streams.burn.stage import BurnStage
from streams.checkpoints import digest
from streams.ports import Output, SourceBatch, SourceRecord, Ticks
from tests.scenarios.burn_log import (
    DAY,
    HOUR,
    MINUTE,
    SEC,
    BurnLog,
    MemoryReader,
    PolicyHistory,
    Row,
    alerts,
    new_lane,
    public,
    recovered,
    run,
    us,
)
from tests.scenarios.recovery_cost import recovery_cost

AT = us("2026-11-22T09:00:00")
CHANGES: list[dict[str, Any]] = [
    {"sets": [{"kind": "budget", "id": "b", "org": "acme", "limit": limit, "burn_alerts": False}]}
    for limit in ("100", "10")
]


def batch(records: list[SourceRecord]) -> SourceBatch:
    """Records of partition 0."""
    return SourceBatch("internal.deltas", 0, records)


def budget_row(at_us: int, *, usd: int) -> Row:
    """Spending that the budget matches."""
    return Row("acme", "budget", "b", at_us, cost_pico=usd * 10**12)


def test_stage_says_what_it_reads() -> None:
    """Lanes find the stage by its name and topics; it needs no ticks of its own."""
    stage = BurnStage(policy_log=PolicyHistory())
    assert (stage.name, stage.source_topics) == ("burn", ("internal.deltas",))
    assert not isinstance(stage.lane("internal.deltas", 0), Ticks)


def test_policies_are_needed_up_to_the_highest_offset_named() -> None:
    """Of a batch, or of the state where the batch names less; -1 where nothing was named."""
    log = BurnLog()
    for offset in (-1, 1, 0):
        log.say(AT, policy_offset=offset)
    lane = new_lane(PolicyHistory(CHANGES))
    assert lane.policy_offset_needed(batch(log.records[:1])) == -1
    assert lane.policy_offset_needed(batch(log.records)) == 1
    run(lane, log.records)
    assert lane.policy_offset_needed(batch(log.records[:1])) == 1


def test_policy_takes_effect_where_the_log_names_it() -> None:
    """6 USD are fine under the first change; the record that names the second makes them too much."""
    log = BurnLog(policy_offset=0)
    log.say(AT, [budget_row(AT, usd=6)])
    log.tick(AT + SEC)
    log.say(AT + 2 * SEC, policy_offset=1)
    found = alerts(run(new_lane(PolicyHistory(CHANGES)), log.records))
    assert [(alert.level, alert.value) for alert in found] == [("0.5", Decimal(6))]


def test_result_says_log_time_and_policy_offset() -> None:
    """Both become progress: the lead and the highest offset named."""
    log = BurnLog(lanes=2)
    log.say(AT + HOUR, lane=0, policy_offset=1)
    log.say(AT, lane=1, policy_offset=0)
    result = new_lane(PolicyHistory(CHANGES)).step(batch(log.records))
    assert (result.log_time_us, result.policy_offset) == (AT + HOUR, 1)


@pytest.mark.parametrize("damage", ["no header", "broken header", "broken rows"])
def test_record_that_rating_cannot_have_written_ends_the_process(damage: str) -> None:
    """Nothing is skipped in silence: the error names the offset."""
    log = BurnLog()
    log.say(AT, [budget_row(AT, usd=1)])
    good = log.records[0]
    headers = {"no header": [], "broken header": [("batch", b"{")]}.get(damage, good.headers)
    value = b"no arrow" if damage == "broken rows" else good.value
    record = SourceRecord(7, AT, None, value, headers)
    with pytest.raises(CorruptStateError, match="offset 7"):
        new_lane(PolicyHistory()).step(batch([record]))


def test_graceful_stop_writes_a_whole_round_from_which_recovery_replays_nothing() -> None:
    """`checkpoint()` after the last step: the next owner is live at once, with the same state."""
    log = BurnLog(policy_offset=0)
    log.say(AT, [budget_row(AT, usd=60)])
    log.tick(AT + SEC)
    lane, reader = new_lane(PolicyHistory(CHANGES)), MemoryReader()
    run(lane, log.records)
    reader.keep(lane.checkpoint())
    again, start = recovered(PolicyHistory(CHANGES), reader, next_offset=2)
    assert start == 2
    assert digest(lane.state) == digest(again.state)
    assert again.policy_offset_needed(batch([])) == 0


def test_round_from_beyond_the_position_is_of_another_life() -> None:
    """A checkpoint at or above the lane's position is not used: the lane replays from the start."""
    log = BurnLog()
    log.say(AT, [budget_row(AT, usd=1)])
    log.tick(AT + SEC)
    lane, reader = new_lane(PolicyHistory()), MemoryReader()
    run(lane, log.records)
    reader.keep(lane.checkpoint())
    _, start = recovered(PolicyHistory(), reader, next_offset=1)
    assert start == 0


def test_newer_epoch_wins_over_a_higher_round() -> None:
    """A later owner's first round is newer than any round of the owner before it."""
    log = BurnLog()
    for number in range(4):
        log.say(AT + number * SEC, [Row("acme", "team", "code", AT, cost_pico=10**12)])
    lane, reader = new_lane(PolicyHistory()), MemoryReader()
    for offset in range(2):
        run(lane, log.records[offset : offset + 1])
        reader.keep(lane.checkpoint())
    second, start = recovered(PolicyHistory(), reader, next_offset=2)
    assert start == 2
    run(second, log.records[2:3])
    reader.keep(second.checkpoint())
    third, start = recovered(PolicyHistory(), reader, next_offset=3)
    assert start == 3
    assert digest(second.state) == digest(third.state)


def test_long_rounds_are_found_however_far_back_they_begin() -> None:
    """A round of more records than recovery first looks at is read whole."""
    log = BurnLog()
    rows = [Row("acme", "user", f"user-{number}", AT, cost_pico=number) for number in range(400)]
    log.say(AT, rows)
    lane, reader = new_lane(PolicyHistory(), step_bytes=1), MemoryReader()
    run(lane, log.records)
    reader.keep(lane.checkpoint())
    reader.records += [SourceRecord(1000 + n, 0, None, b"foreign", []) for n in range(300)]
    again, start = recovered(PolicyHistory(), reader, next_offset=1)
    assert start == 1
    assert digest(lane.state) == digest(again.state)


def test_idle_rows_are_forgotten_and_their_place_is_used_again() -> None:
    """Four days after their last row, entities, members and periods are gone; nothing of them is left in new ones.

    What is usual for whom is kept for longer (streams/burn/anomalies.py).
    """
    log = BurnLog(policy_offset=0)
    hourly = [{"sets": [{"kind": "budget", "id": "b", "org": "acme", "limit": "100", "period": "hour"}]}]
    log.say(AT, [budget_row(AT, usd=90), *(Row("acme", "user", f"u{n}", AT, cost_pico=10**12) for n in range(50))])
    for at_us in range(AT, AT + 5 * DAY, 30 * MINUTE):
        log.tick(at_us)
    lane = new_lane(PolicyHistory(hourly))
    run(lane, log.records)
    assert (lane.state.entities.slots, lane.state.members.slots, lane.state.periods.slots) == ({}, {}, {})
    tables = [table for name, table in lane.state.tables().items() if name not in {"spenders", "parents"}]
    assert not any(column.any() for table in tables for column in table.columns.values())
    late = BurnLog(policy_offset=0)
    late.say(AT + 6 * DAY, [budget_row(AT + 6 * DAY, usd=60)])
    assert [alert.level for alert in alerts(run(lane, late.records))] == ["0.5"]
    assert len(lane.state.periods) == 1


def test_batches_rated_before_a_budget_matched_anew_do_not_debit_it() -> None:
    """A slow lane still rates under the old match: its rows belong to a budget that is no more."""
    changes = [*CHANGES[:1], {"sets": [{**CHANGES[0]["sets"][0], "scope": {"team": "code"}}]}]
    log = BurnLog(lanes=2, policy_offset=0)
    log.say(AT, [budget_row(AT, usd=60)])
    log.say(AT + SEC, policy_offset=1)
    log.say(AT + SEC, [budget_row(AT, usd=90)], lane=1, policy_offset=0)
    log.say(AT + 2 * SEC, [budget_row(AT, usd=55)], policy_offset=1)
    found = alerts(run(new_lane(PolicyHistory(changes)), log.records))
    assert [(alert.status, alert.level, alert.value) for alert in found] == [
        ("firing", "0.5", Decimal(60)),
        ("resolved", "0.5", Decimal(60)),
        ("firing", "0.5", Decimal(55)),
    ]


def test_same_log_makes_the_same_bytes() -> None:
    """Ids and messages are a function of the log; another opening time makes another id."""
    first, second = BurnLog(policy_offset=0), BurnLog(policy_offset=0)
    first.say(AT, [budget_row(AT, usd=60)])
    second.say(AT + SEC, [budget_row(AT, usd=60)])
    one, same = (run(new_lane(PolicyHistory(CHANGES)), first.records) for _ in range(2))
    other = run(new_lane(PolicyHistory(CHANGES)), second.records)
    assert public(one) == public(same)
    assert alerts(one)[0].alert_id != alerts(other)[0].alert_id


def test_rounds_come_each_minute_of_work_and_each_hour_of_silence() -> None:
    """Retention by size must always leave a round behind, so silence writes one now and then."""
    log = BurnLog()
    for at_us in range(AT, AT + 10 * MINUTE, 20 * SEC):
        log.say(at_us, [budget_row(at_us, usd=1)])
    busy = len(log.records)
    for at_us in range(AT + 11 * MINUTE, AT + 5 * HOUR, MINUTE):
        log.tick(at_us)
    lane = new_lane(PolicyHistory())
    assert len(heads(run(lane, log.records[:busy]))) == 10
    assert len(heads(run(lane, log.records[busy:]))) == 1 + 4


def heads(outputs: list[Output]) -> list[Output]:
    """The last record of each round."""
    return [out for out in outputs if out.topic == TOPIC and out.key is not None and b"|head|" in out.key]


def test_recovery_of_many_entities_knows_what_was_known() -> None:
    """The measured recovery (`tests/scenarios/recovery_cost.py`) ends in the state of the lane that died."""
    cost = recovery_cost(400, replayed_sec=3)
    assert cost.messages == 12
