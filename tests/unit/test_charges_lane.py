"""The lane of charges, case by case: what it says when, what it refuses, what it keeps."""

import asyncio
import json
from base64 import b64decode
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from schemas.aliases import Alias
from schemas.charge_states import KEPT_TYPE, record_from_bytes
from schemas.errors import CorruptStateError
from schemas.internal import batch_from_headers, from_arrow_bytes
from schemas.policies import Budget
from streams.ports import Output, SourceRecord
from streams.rating.accruing import TICK_EVERY, AccruingLane
from streams.rating.stage import RatingStage
from tests.laws.charge_world import HOME, HOUR_US, NOW_US, ChangingPolicies, Kept, Lane, message

BUDGET = Budget(id="org", org="acme", limit=Decimal(100))


def letters(outputs: list[Output]) -> list[dict[str, Any]]:
    """The dead letters among outputs."""
    return [json.loads(o.value)["data"] for o in outputs if o.topic == "usage.dead_letters"]


def kept(outputs: list[Output]) -> list[dict[str, Any]]:
    """The charges that are kept, as their data says."""
    records = [record_from_bytes(o.value) for o in outputs if o.topic == "internal.charges"]
    return [json.loads(data)["data"] for kind, data in records if kind == KEPT_TYPE]


def debited_usd(lane: Lane, budget_id: str) -> float:
    """What the lane has sent for a budget, in whatever periods."""
    rows = [
        row
        for output in lane.outputs
        if output.topic == "internal.deltas"
        for row in from_arrow_bytes(output.value).to_pylist()
    ]
    pico = (r["cost_micro_usd"] * 10**6 + r["cost_pico_remainder"] for r in rows if r["entity_id"] == budget_id)
    return float(sum(pico)) / 10**12


def test_rating_has_a_lane_for_charges() -> None:
    """The stage reads the topic, with a logic of its own."""
    stage = RatingStage(ChangingPolicies())
    assert "usage.charges" in stage.source_topics
    assert isinstance(stage.lane("usage.charges", 2), AccruingLane)


def test_month_of_seats_is_debited_day_by_day() -> None:
    """On the 22nd of November 22 of 30 days of 300 USD are 220 USD, a day later 230 USD."""
    lane = Lane(ChangingPolicies(BUDGET))
    lane.send([message()])
    assert [pico // 10**12 for pico in lane.spent().values()] == [220]
    for _ in range(TICK_EVERY + 2):
        lane.tick(NOW_US + 13 * HOUR_US)
    assert [pico // 10**12 for pico in lane.spent().values()] == [230]


def test_a_term_of_many_years_holds_all_its_days() -> None:
    """Six of its seven years have gone by when the budget is new; a revision takes all of them back."""
    term = {"period": "once", "starts": date(2020, 12, 1), "ends": date(2027, 12, 1)}
    policies = ChangingPolicies(BUDGET)
    lane = Lane(policies)
    lane.send([message(service_from="2020-12-01", service_until="2027-12-01", amount_usd="2556")])  # of 2556 days
    policies.set(Budget.model_validate({"id": "term", "org": "acme", "limit": 9000, **term}))
    lane.tick(NOW_US)
    assert debited_usd(lane, "term") == (date(2026, 11, 22) - date(2020, 11, 30)).days
    lane.send([message(service_from="2020-12-01", service_until="2027-12-01", amount_usd="0", revision=2)])
    assert debited_usd(lane, "term") == 0


def test_charge_of_the_future_debits_nothing_yet() -> None:
    """It stands, and waits for its first day."""
    lane = Lane(ChangingPolicies(BUDGET))
    result = lane.send([message(service_from="2026-11-23")])
    assert {output.topic for output in result.outputs} == {"internal.charges"}
    assert len(kept(list(result.outputs))) == 1


def test_silence_is_said_now_and_then_and_new_policies_at_once() -> None:
    """A tick each TICK_EVERY seconds learns the time; who waits for policies does not wait for that."""
    policies = ChangingPolicies()
    logic = AccruingLane(HOME, policies)
    said = [logic.tick(NOW_US) is not None for _ in range(2 * TICK_EVERY + 2)]
    assert said == [True, True, *[number % TICK_EVERY == TICK_EVERY - 1 for number in range(2 * TICK_EVERY)]]
    policies.set(BUDGET)
    result = logic.tick(NOW_US)
    assert result is not None
    assert result.policy_offset == 0
    assert logic.tick(NOW_US) is None


def test_messages_move_no_clock_and_no_window() -> None:
    """Burn takes them for budgets only; their policy offset says under which policies they were matched."""
    result = Lane(ChangingPolicies(BUDGET)).send([message()])
    headers = [batch_from_headers(o.headers) for o in result.outputs if o.topic == "internal.deltas"]
    assert {(h.clock, h.windows, h.tick, h.source_topic, h.policy_offset) for h in headers} == {
        (False, False, False, "usage.charges", 0)
    }


@pytest.mark.parametrize(
    ("value", "reason", "path"),
    [
        (b"{", "invalid_json", ""),
        (b"\xff", "invalid_utf8", ""),
        (None, "not_an_event", ""),
        (json.dumps(message(type="burnline.usage.v1")).encode(), "not_an_event", "type"),
        (json.dumps(message(org=None)).encode(), "missing_field", "data.org"),
        (json.dumps(message(amount_usd=300)).encode(), "wrong_type", "data.amount_usd"),
        (json.dumps(message(amount_usd="3e2")).encode(), "out_of_range", "data.amount_usd"),
        (json.dumps(message(amount_usd="-1")).encode(), "out_of_range", "data"),
        (json.dumps(message(service_until="2026-11-01")).encode(), "out_of_range", "data"),
        (json.dumps(message(service_until="2046-11-01")).encode(), "out_of_range", "data"),
        (json.dumps(message(timezone="Mars/Olympus")).encode(), "out_of_range", "data.timezone"),
        (json.dumps(message(time="1999-12-31T23:59:59Z")).encode(), "out_of_range", "time"),
        (json.dumps(message(time="2199-12-31T23:59:59-00:01")).encode(), "out_of_range", "time"),
        (json.dumps(message(time="9999-12-31T23:59:59-14:00")).encode(), "out_of_range", "time"),
        (json.dumps(message(contract="a\x00b")).encode(), "control_character", "data.contract"),
        (json.dumps(message(item="i" * 129)).encode(), "out_of_range", "data.item"),
        (b" " * 1_048_577, "too_large", ""),
    ],
)
def test_what_is_no_charge_is_a_dead_letter(value: bytes | None, reason: str, path: str) -> None:
    """With the reason and the field; nothing is debited, nothing kept."""
    result = Lane(ChangingPolicies(BUDGET)).send([value])
    (letter,) = letters(list(result.outputs))
    assert (letter["reason"], letter["path"], letter["topic"]) == (reason, path, "usage.charges")
    assert {output.topic for output in result.outputs} == {"usage.dead_letters", "internal.charges"}


def test_letter_keeps_the_fields_of_a_charge_and_nothing_else() -> None:
    """Every byte of what the contract knows; of a description only its size; usage's own names mean nothing here."""
    known = json.dumps(message(amount_usd="1e3", item="copilot-business")).encode()
    told = json.dumps(message(amount_usd="1e3", description="for Ana", tags={"a": "private words"})).encode()
    first, second = letters(list(Lane(ChangingPolicies(BUDGET)).send([known, told]).outputs))
    assert (b64decode(first["value_base64"]), first["redacted_values"]) == (known, 0)
    kept = b64decode(second["value_base64"])
    assert (b"Ana" in kept, b"private" in kept, b"github" in kept, second["redacted_values"]) == (False, False, True, 2)


def test_binary_mode_is_read() -> None:
    """Attributes as headers, data as the value."""
    event = message()
    headers = [(f"ce_{name}", str(value).encode()) for name, value in event.items() if name != "data"]
    record = SourceRecord(0, NOW_US, b"acme", json.dumps(event["data"]).encode(), headers)
    lane = Lane(ChangingPolicies(BUDGET))
    lane.logic.step(lane.batch([record]))
    structured = Lane(ChangingPolicies(BUDGET))
    structured.send([event])
    assert lane.logic._charges.keys() == structured.logic._charges.keys()


def test_same_revision_with_other_content_is_refused() -> None:
    """What stands stays; a copy in other words is none."""
    lane = Lane(ChangingPolicies(BUDGET))
    lane.send([message()])
    result = lane.send([message(amount_usd="300.00", import_id="import-2"), message(amount_usd="301")])
    (letter,) = letters(list(result.outputs))
    assert letter["reason"] == "conflicting_duplicate"
    assert "higher revision" in letter["message"]
    assert (lane.logic.copies_dropped, kept(list(result.outputs))) == (1, [])


def test_the_ids_of_an_organisation_are_its_own() -> None:
    """Another one's invoice of the same number is another charge, and its revision takes nothing back here."""
    lane = Lane(ChangingPolicies(BUDGET, Budget(id="org", org="stark", limit=Decimal(1))))
    result = lane.send(
        [message(), message(org="stark", amount_usd="30"), message(org="stark", amount_usd="3", revision=2)]
    )
    assert letters(list(result.outputs)) == []
    assert {key[0]: pico / 10**12 for key, pico in lane.spent().items()} == {"acme": 220, "stark": 2.2}


def test_charge_that_came_elsewhere_is_sent_to_its_orgs_partition() -> None:
    """As it was meant, without what the contract does not know; nothing is debited or kept here, nothing is lost."""
    lane = Lane(ChangingPolicies(BUDGET), partition=1)
    result = lane.send([message(credential="key-1", note="x" * 1000)])
    on, word = result.outputs
    assert (on.topic, on.partition, on.key, word.topic) == ("usage.charges", HOME, b"acme", "internal.charges")
    assert (lane.spent(), kept(list(result.outputs)), b"xxx" in on.value) == ({}, [], False)
    at_home, straight = Lane(ChangingPolicies(BUDGET)), Lane(ChangingPolicies(BUDGET))
    assert kept(list(at_home.send([on.value]).outputs)) == kept(
        list(straight.send([message(credential="key-1")]).outputs)
    )
    assert at_home.logic._charges == straight.logic._charges


def test_revision_keeps_the_time_of_the_first() -> None:
    """So that it replaces the row of the first, whatever it says itself."""
    lane = Lane(ChangingPolicies(BUDGET))
    lane.send([message(time="2026-10-30T09:00:00Z")])
    lane.send([message(revision=2, amount_usd="0", time="2026-12-24T09:00:00Z")])
    (charge,) = lane.logic._charges.values()
    assert charge.kept.time == "2026-10-30T09:00:00+00:00"
    assert lane.spent() == {}


def test_a_key_is_kept_as_its_pseudonym() -> None:
    """As rating names it for events, so that budgets by credential agree; elsewhere it is taken out."""
    key = "sk-abcdefghijklmnopqrstuvwxyz"
    result = Lane(ChangingPolicies(BUDGET)).send([message(credential=key, item=key)])
    (data,) = kept(list(result.outputs))
    assert data["credential"].startswith("secret-")
    assert data["item"] == "[redacted]"
    assert key.encode() not in b"".join(output.value for output in result.outputs)


def test_a_rotated_key_is_the_first_one() -> None:
    """So that a budget by credential goes on; a copy that came before the alias is a copy still."""
    policies = ChangingPolicies(Budget(id="key", org="acme", scope={"credential": "key-1"}, limit=Decimal(1)))
    lane = Lane(policies)
    lane.send([message(credential="key-2")])
    assert lane.spent() == {}
    policies.set(Alias(org="acme", credential="key-1", becomes="key-2"))
    lane.send([message(credential="key-2"), message("c-2", credential="key-2")])
    assert (lane.logic.copies_dropped, [pico // 10**12 for pico in lane.spent().values()]) == (1, [220])


def test_record_that_kills_is_set_aside() -> None:
    """A dead letter; the log moves on past it."""
    lane = Lane(ChangingPolicies(BUDGET))
    result = lane.logic.set_aside(SourceRecord(0, NOW_US, None, json.dumps(message()).encode(), ()))
    assert [letter["reason"] for letter in letters(list(result.outputs))] == ["poison"]
    assert (result.log_time_us, lane.logic._charges) == (NOW_US, {})


def test_state_that_rating_cannot_have_written_ends_the_process() -> None:
    """Nothing is skipped in silence: the error names the offset."""
    broken = Kept({b"lane": b'{"type":"burnline.charges_word","data":{}}'})
    with pytest.raises(CorruptStateError, match=r"internal\.charges/0@0"):
        asyncio.run(AccruingLane(HOME, ChangingPolicies()).recover(broken, next_offset=3))
