"""Lives of budgets: what is kept of them over a restart, what is said at their end, and how alerts put amounts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import lz4.block
import msgspec
import pytest

from schemas.signals import Alert
from streams.burn import checkpoint
from streams.burn.stage import BurnLane
from streams.burn.table import PageBytes
from streams.checkpoints import Piece, digest
from streams.ports import SourceRecord
from tests.scenarios.burn_log import (
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
    signals,
)
from tests.unit.test_burn_openings import AT, BUDGET, USD, levels, policies, spend, states, waiting_log

LAYOUT_BEFORE_OPENINGS = "a956b0fe55fb70f7"
LAYOUT_BEFORE_ESTIMATES = "03c397e01778aad5"
LAYOUT_BEFORE_LIMITS_VARIED = "58e047e63bbf0acf"
LAYOUT_BEFORE_ROLLING_DAYS = "2a904a947bfd85a3"
LAYOUT_BEFORE_HOURS = "a3d4070f1390ade3"
LAYOUT_BEFORE_SPENDERS = "f71db9c77d39d079"
LAYOUT_BEFORE_SHAPES = "3739e2f05b61fd9e"


@pytest.mark.parametrize("end", ["removed", "matched anew"])
def test_budget_that_is_no_more_is_said_to_be_closed(end: str) -> None:
    """With what it had spent, at once, and only once; its open alerts are resolved."""
    log = BurnLog(policy_offset=0)
    log.say(AT, [spend(60)])
    log.policy_offset = 1
    log.say(AT + SEC)
    log.tick(AT + 20 * SEC)
    history = policies(BUDGET, {**BUDGET, "scope": {"team": "code"}})
    if end == "removed":
        history = PolicyHistory([{"sets": [BUDGET]}, {"removes": [("budget", "acme", "b")]}])
    outputs = run(new_lane(history), log.records)
    assert [(state.spent, state.status) for state in states(outputs)] == [
        (Decimal(60), "warned"),
        (Decimal(60), "closed"),
    ]
    assert [said[0] for said in levels(outputs)] == ["firing", "resolved"]


def test_budget_that_was_never_said_is_not_said_to_be_closed() -> None:
    """Removed before its opening: nobody heard of it."""
    log = waiting_log()
    log.say(AT + SEC, [spend(60)])
    log.policy_offset = 1
    log.tick(AT + 20 * SEC)
    history = PolicyHistory([{"sets": [BUDGET]}, {"removes": [("budget", "acme", "b")]}])
    assert signals(run(new_lane(history), log.records)) == []


def waiting_lane() -> tuple[BurnLane, BurnLog]:
    """A lane with an open budget and one that waits, and its log."""
    log = waiting_log()
    log.correct(opened=0)
    log.policy_offset = 1
    log.say(AT + SEC, [spend(60), Row("acme", "budget", "c", AT, cost_pico=60 * USD)])
    lane = new_lane(history())
    run(lane, log.records)
    return lane, log


def history() -> PolicyHistory:
    """The policies of `waiting_lane`."""
    return policies(BUDGET, {**BUDGET, "id": "c"})


def test_what_is_open_is_in_the_checkpoint() -> None:
    """A recovered lane judges what its forerunner judged, and waits for what it waited for."""
    lane, log = waiting_lane()
    reader = MemoryReader()
    reader.keep(lane.checkpoint())
    again, start = recovered(history(), reader, next_offset=3)
    assert (start, again.state.opened, digest(again.state)) == (3, 0, digest(lane.state))
    log.correct(opened=1)
    log.tick(AT + 20 * SEC)
    assert public(run(lane, log.records[3:])) == public(run(again, log.records[3:]))


def test_checkpoint_of_before_openings_is_read() -> None:
    """Its budgets keep what they counted and crossed, and wait for their opening."""
    again = after_older(LAYOUT_BEFORE_OPENINGS, without=("opened", "unpriced"))
    assert again.state.opened == -1
    column = again.state.periods.column
    assert (column("high").tolist(), column("waited").tolist()) == ([60_000_000, 60_000_000], [0, 0])


def test_checkpoint_of_before_estimates_is_read() -> None:
    """Its budgets keep what they counted, crossed and opened, with nothing estimated; from there they estimate."""
    again = after_older(LAYOUT_BEFORE_ESTIMATES, without=("unpriced",))
    assert again.state.opened == 0
    column = again.state.periods.column
    assert (column("high").tolist(), column("estimated_high").tolist()) == ([60_000_000, 60_000_000], [0, 0])
    _, log = waiting_lane()
    log.say(AT + 2 * SEC, [Row("acme", "budget", "b", AT, unpriced=1, ceiling_pico=40 * USD)])
    said = [(alert.level, alert.basis, alert.value) for alert in alerts(run(again, log.records[3:]))]
    assert said == [("0.8", "estimated", Decimal(100)), ("1", "estimated", Decimal(100))]


@pytest.mark.parametrize(
    "layout",
    [
        LAYOUT_BEFORE_LIMITS_VARIED,
        LAYOUT_BEFORE_ROLLING_DAYS,
        LAYOUT_BEFORE_HOURS,
        LAYOUT_BEFORE_SPENDERS,
        LAYOUT_BEFORE_SHAPES,
    ],
)
def test_checkpoint_of_before_limits_varied_is_read(layout: str) -> None:
    """Its budgets keep what they counted and crossed; the first edit knows what still holds."""
    again = after_older(layout, without=())
    log = BurnLog(policy_offset=2, opens=False)
    log.tick(AT + 3 * SEC)
    edited = history()
    edited.append({"sets": [{**BUDGET, "limit": "110"}]})
    again._policy_log = edited
    assert [said[:2] for said in levels(run(again, log.records))] == []
    assert again.state.periods.column("high").tolist() == [60_000_000, 60_000_000]


def after_older(layout: str, *, without: Sequence[str]) -> BurnLane:
    """A lane that recovered from a checkpoint of `waiting_lane` as an older version wrote it."""
    lacking = checkpoint.OLDER[layout]
    lane, _ = waiting_lane()
    reader = MemoryReader()
    reader.keep(lane.checkpoint())
    reader.records = [_older(record, layout, lacking, without) for record in reader.records]
    again, start = recovered(history(), reader, next_offset=3)
    assert start == 3
    return again


def _older(
    record: SourceRecord, layout: str, lacking: Mapping[str, frozenset[str]], without: Sequence[str]
) -> SourceRecord:
    """The record as an older version wrote it: without these columns, and without these parts of the cross."""
    piece = msgspec.msgpack.decode(record.value or b"", type=Piece)
    body = piece.body
    if piece.part in lacking:
        page = msgspec.msgpack.decode(body, type=PageBytes)
        for name in lacking[piece.part]:
            del page.columns[name]
        body = msgspec.msgpack.encode(page)
    if piece.part == "entities":
        page = msgspec.msgpack.decode(body, type=PageBytes)
        page.columns["history"] = lz4.block.compress(bytes(97 * 8 * page.rows))
        body = msgspec.msgpack.encode(page)
    if piece.part == "cross":
        held = msgspec.msgpack.decode(lz4.block.decompress(body))
        for name in (*without, "watch"):
            del held[name]
        body = lz4.block.compress(msgspec.msgpack.encode(held))
    older = msgspec.structs.replace(piece, layout=layout, body=body)
    return msgspec.structs.replace(record, value=msgspec.msgpack.encode(older))


def test_counts_are_put_alike_in_a_sentence() -> None:
    """What was spent, the limit and the threshold have their thousands apart; USD of a policy stay as written."""
    terms = {**BUDGET, "unit": "tokens", "limit": "5000000", "thresholds": ["1"], "threshold_amounts": ["1000000"]}
    log = BurnLog(policy_offset=0)
    log.say(AT, [replace(spend(0), tokens=1_000_000)])
    assert alerts(run(new_lane(policies(terms)), log.records))[0].message == (
        "org acme has spent 1 000 000 of 5 000 000 tokens, past 1 000 000 tokens of budget b, day from 2026-11-22 (UTC)"
    )


def test_less_than_nothing_used_of_a_commitment_is_all_of_it_unused() -> None:
    """After a refund no more than what was promised is missing."""
    log = BurnLog(policy_offset=0)
    log.say(AT, [replace(spend(0), cost_pico=-5 * USD)])
    log.say(AT + 86_400 * SEC, [])
    terms = {**BUDGET, "limit": "10", "thresholds": ["1"], "commitment": True}
    assert alerts(run(new_lane(policies(terms)), log.records))[0].message.endswith(": 10.00 USD are unused")


def test_alert_about_no_money_at_all_reads_well() -> None:
    """Amounts below a dollar keep four digits; a budget of nothing is called that."""
    log = BurnLog(policy_offset=0)
    log.say(AT, [replace(spend(0), cost_pico=81_234_567_890)])
    said: list[Alert] = alerts(run(new_lane(policies({**BUDGET, "limit": "0", "thresholds": ["1"]})), log.records))
    assert said[0].message == "org acme has spent 0.08123 USD of a budget of 0 USD: budget b, day from 2026-11-22 (UTC)"
    said = alerts(run(new_lane(policies({**BUDGET, "limit": "0.1", "thresholds": ["0.8"]})), log.records))
    assert said[0].message == "org acme has spent 0.08123 of 0.1 USD, past 80% of budget b, day from 2026-11-22 (UTC)"
